# Builds what comes of the template's flake, and boots it.
{ world, outputs }:
let
  inherit (world) system;
in
{
  template-builds = world.run { name = "template-builds"; } ''
    [ -s ${outputs.packages.${system}.default} ]
    [ -x ${outputs.packages.${system}.program}/bin/greeter ]
    [ -x ${outputs.apps.${system}.default.program} ]
    touch $out
  '';
}
// builtins.listToAttrs (
  map (name: {
    name = "template-${name}";
    value = outputs.checks.${system}.${name};
  }) (builtins.attrNames outputs.checks.${system})
)
