{
  description = "Rumpkin built by a toolchain of pinned Debian packages; as an input it stands in for nixpkgs";

  outputs =
    { self }:
    let
      world = import ./. { };
    in
    import ../../distribution.nix world
    // {
      inherit world;
      inherit (world) seeds;
    };
}
