# The machines of nixos-tests, as far as they go without NixOS: in each the module's options are of the right types, its assertions
# hold, and the launcher makes its units; also where a specialisation changes it. Their other options are taken as they are.
{
  lib,
  world,
  evaluate,
  # The tests, for a `world.nixosTest` that leaves them as they are.
  tests,
}:
let
  inherit (lib) mkOption types;
  open = type: mkOption { inherit type; };

  test =
    definition:
    (lib.evalModules {
      modules = [
        {
          options = {
            name = open types.str;
            testScript = open types.str;
            globalTimeout = open types.int;
            defaults = open types.deferredModule;
            nodes = open (types.attrsOf types.deferredModule);
          };
        }
        definition
      ];
    }).config;

  machine =
    modules:
    evaluate {
      unikernels = { };
      modules = [
        {
          freeformType = types.attrsOf types.anything;
          options.specialisation = mkOption {
            type = types.attrsOf (types.submodule { options.configuration = open types.deferredModule; });
            default = { };
          };
        }
      ]
      ++ modules;
    };

  # A machine, and what it is after each of its specialisations.
  variants =
    modules:
    let
      evaluated = machine modules;
    in
    [ evaluated ]
    ++ lib.mapAttrsToList (_: specialisation: machine (modules ++ [ specialisation.configuration ])) evaluated.config.specialisation;

  variantsOf =
    { defaults, nodes, ... }:
    lib.concatMap (node: variants [ defaults node ]) (lib.attrValues nodes);

  evaluated = lib.concatMap variantsOf (map test (lib.attrValues tests));
  failures = lib.concatMap (variant: variant.failures) evaluated;
  units = lib.unique (lib.concatMap (variant: map toString variant.config.systemd.packages) evaluated);
in
assert failures == [ ] || throw "nixos-tests: ${builtins.concatStringsSep "; " failures}";
world.run { name = "nixos-test-machines"; } ''
  for unit in ${toString units}; do ls $unit/lib/systemd/system/*; done | tee $out
  [ $(wc -l < $out) = ${toString (builtins.length units)} ]
''
