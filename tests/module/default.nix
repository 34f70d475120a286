# Evaluates the NixOS module: types, defaults, every assertion, what it sets, the units that it makes, its documentation.
#
# This takes the `lib` folder of a nixpkgs tree, which the world gives (worlds/README.md); without one the checks say so and
# pass. NixOS's own options (systemd, networking, …) are stubs here, and so are its packages.
{
  world,
  tools,
  apps,
  module,
  # The outputs of the template's flake.
  template,
  # Those of the example deployment.
  deployment,
  mkUnikernel,
}:
let
  library = world.nixpkgsLib or null;
  lib = import library;
  evaluate = import ./evaluate.nix {
    inherit
      lib
      world
      tools
      apps
      module
      ;
  };
  cases = import ./cases.nix {
    inherit
      lib
      evaluate
      template
      deployment
      ;
  };
  effects = import ./effects.nix { inherit lib evaluate; };
  units = import ./units.nix { inherit lib world evaluate; };
  machines = import ./machines.nix {
    inherit lib world evaluate;
    tests = import ../../nixos-tests {
      inherit module apps mkUnikernel;
      world = world // {
        nixosTest = lib.id;
      };
    };
  };
  documentation = import ./documentation.nix { inherit lib evaluate; };

  skipped =
    name:
    world.run { inherit name; } ''
      echo "skipped: there is no nixpkgs library here; name one in NIXPKGS_LIB, and give nix --impure" | tee $out
    '';
  check = name: made: if library == null then skipped name else made;
in
{
  module-evaluation = check "module-evaluation" (
    import ../report.nix { inherit world; } "module-evaluation" (cases ++ effects)
  );

  module-units = check "module-units" units;

  nixos-test-machines = check "nixos-test-machines" machines;

  deployment-rebuilds-nothing = import ./rebuild.nix { inherit world tools apps; };

  module-documentation = check "module-documentation" (
    world.run
      {
        name = "module-documentation";
        env = {
          inherit documentation;
          passAsFile = [ "documentation" ];
        };
      }
      ''
        # To bring the page up to date: nix eval --impure --raw FLAKE#legacyPackages.SYSTEM.checks.module-documentation.documentation
        diff -u ${../../docs/module.md} $documentationPath
        touch $out
      ''
  );
}
