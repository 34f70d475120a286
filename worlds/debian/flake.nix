{
  description = "Rumpkin built by a toolchain of pinned Debian packages; as an input it stands in for nixpkgs";

  outputs =
    { self }:
    import ../../distribution.nix self.world
    // {
      world = import ./. { };
    };
}
