# What the flake gives, for a world of toolchains (see worlds/README.md).
world:
let
  inherit (world) system;

  layers = import ./pkgs/layers.nix { inherit world; };
  mkProgram = import ./pkgs/mkProgram.nix { inherit world; };
  tools = import ./pkgs/tools.nix { inherit mkProgram; };
  mkUnikernel = import ./pkgs/mkUnikernel.nix { inherit world layers tools; };
  apps = import ./apps { inherit mkUnikernel mkProgram; };

  # The checks, as a list of parts with a name each.
  parts = import ./tests {
    inherit
      world
      layers
      apps
      tools
      mkUnikernel
      mkProgram
      ;
  };
  checks = builtins.foldl' (all: part: all // part.checks) { } parts;
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
  apps.${system} = builtins.mapAttrs (name: app: {
    type = "app";
    program = "${app.runner}/bin/run-${name}";
  }) apps;

  checks.${system} = checks // world.checks;

  # For `./x check`: a line for each check, "PART NAME RESULT".
  checkPlan = builtins.concatStringsSep "" (
    builtins.concatMap (
      { part, checks }:
      map (name: builtins.unsafeDiscardStringContext "${part} ${name} ${checks.${name}}\n") (builtins.attrNames checks)
    ) parts
  );

  lib.mkUnikernel = mkUnikernel;
}
