{
  description = "Rumpkin: unmodified Linux programs as unikernels, built layer by layer";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    crane.url = "github:ipetkov/crane";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  # A world is where toolchains come from. `--override-input nixpkgs ./worlds/debian` exchanges it.
  outputs = inputs: import ./distribution.nix (inputs.nixpkgs.world or (import ./worlds/nixpkgs.nix inputs));
}
