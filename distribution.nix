# What the flake gives, for a world of toolchains (see worlds/README.md).
world:
let
  inherit (world) system;
  layers = import ./pkgs/layers.nix { inherit world; };
in
{
  legacyPackages.${system} = {
    inherit layers;
    inherit (world) gcc rust qemu erofs shellcheck;
  };
  inherit (world) seeds;
}
