# What the flake gives, for a world of toolchains (see worlds/README.md).
world:
let
  inherit (world) system;

  layers = import ./pkgs/layers.nix { inherit world; };
  mkProgram = import ./pkgs/mkProgram.nix { inherit world; };
  tools = import ./pkgs/tools.nix { inherit mkProgram; };
  mkUnikernel = import ./pkgs/mkUnikernel.nix { inherit world layers tools; };
  apps = import ./apps { inherit mkUnikernel mkProgram; };

  mapAttrs = function: set: builtins.mapAttrs function set;
in
{
  legacyPackages.${system} = {
    inherit layers apps tools;
    inherit (world) qemu erofs;
  };

  packages.${system} = {
    default = apps.hello;
    inherit tools;
  };

  # `nix run .#hello`: the launcher with the image.
  apps.${system} = mapAttrs (name: app: {
    type = "app";
    program = "${app.runner}/bin/run-${name}";
  }) apps;

  lib.mkUnikernel = mkUnikernel;
}
