# What the flake gives, for a world of toolchains (see worlds/README.md).
world:
let
  inherit (world) system;

  layers = import ./pkgs/lib/layers.nix { inherit world; };
  mkProgram = import ./pkgs/lib/mkProgram.nix { inherit world; };
  inherit (import ./pkgs/tools.nix { inherit mkProgram; }) tools imageTools;
  bootTest = import ./pkgs/lib/imageTest.nix {
    bootTest = import ./pkgs/lib/bootTest.nix {
      inherit world tools;
      judge = import ./tests/judge.nix { inherit mkProgram; };
    };
  };
  mkUnikernel = import ./pkgs/lib/mkUnikernel.nix {
    inherit
      world
      layers
      tools
      imageTools
      bootTest
      ;
  };
  inherit (import ./pkgs/lib/kernels.nix { inherit world layers; })
    kernels
    kernelFromC
    kernelFromStaticLibrary
    ;
  # Static programs that every world has.
  packages = world.packages // {
    httpd = import ./apps/httpd.nix { inherit mkProgram; };
  };
  apps = import ./apps {
    inherit
      mkUnikernel
      mkProgram
      kernels
      packages
      ;
  };

  # What `./x bench` measures.
  bench = import ./tests/bench {
    inherit
      world
      layers
      tools
      mkUnikernel
      mkProgram
      ;
  };

  buildCProgram = import ./pkgs/lib/buildCProgram.nix { inherit world; };
  buildRustProgram = import ./pkgs/lib/buildRustProgram.nix { inherit world; };
  # For users' flakes.
  lib = {
    inherit
      mkUnikernel
      buildRustProgram
      buildCProgram
      bootTest
      kernels
      kernelFromC
      kernelFromStaticLibrary
      packages
      ;
  }
  // (if world ? debianPackage then { inherit (world) debianPackage; } else { });

  formatter = import ./pkgs/formatter.nix { inherit world; };

  module = import ./modules { inherit world tools apps; };

  # The checks, as a list of parts with a name each.
  parts = import ./tests {
    inherit
      world
      layers
      apps
      tools
      imageTools
      module
      lib
      mkUnikernel
      mkProgram
      kernelFromC
      formatter
      ;
  };
  checksOf = builtins.foldl' (all: part: all // part.checks) { };

  # What there is for a system; elsewhere there is a sentence.
  here = {
    legacyPackages = {
      inherit layers apps tools bench packages;
      inherit (world)
        rust
        gcc
        qemu
        erofs
        ;

      # All of them, also those that take long.
      checks = checksOf parts;

      # For `./x digests`: a line of a table for each app.
      digests = world.run { name = "digests"; } (
        builtins.concatStringsSep "" (
          map (name: ''
            echo "| ${name} | $(stat -c %s ${apps.${name}}) | \`$(sha256sum < ${apps.${name}} | cut -d ' ' -f 1)\` |" >> $out
          '') (builtins.attrNames apps)
        )
      );

      # For `./x check`: a line for each check, "PART NAME RESULT".
      checkPlan = builtins.concatStringsSep "" (
        builtins.concatMap (
          { part, checks }:
          map (name: builtins.unsafeDiscardStringContext "${part} ${name} ${checks.${name}}\n") (builtins.attrNames checks)
        ) parts
      );
    };

    packages = apps // {
      inherit tools;
      default = apps.httpd;
    };

    # `nix run .#hello`: the launcher with the image.
    apps =
      let
        runners = builtins.mapAttrs (name: app: {
          type = "app";
          program = "${app.runner}/bin/run-${name}";
          inherit (app) meta;
        }) apps;
      in
      runners // { default = runners.httpd; };

    checks = checksOf (builtins.filter (part: part.part != "long") parts);
    devShells.default = world.devShell;
    inherit formatter;
  };
  elsewhere = import ./pkgs/lib/elsewhere.nix { inherit system; };
in
builtins.mapAttrs (kind: outputs: elsewhere.${kind} // { ${system} = outputs; }) here
// {
  # How to make an image of one's own program: `mkUnikernel { name = "mine"; program = …; }` (docs/mkUnikernel.md), which
  # `buildRustProgram { name = "mine"; src = ./.; }` or buildCProgram may build and `bootTest` boots; `packages` has programs
  # to begin with. `kernels`, `kernelFromC` and `kernelFromStaticLibrary` give what its `kernel` can be.
  inherit lib;

  # `nix flake init -t …`: a flake with a Rust program of one's own.
  templates.default = {
    path = ./templates/default;
    description = "A Rust program as a unikernel, with a boot test and a deployment";
  };

  # `services.unikernels.<name>`: deployment by NixOS (docs/module.md).
  nixosModules.default = module;

  overlays.default = _: _: {
    rumpkin = {
      inherit
        apps
        layers
        mkUnikernel
        tools
        ;
    };
  };
}
