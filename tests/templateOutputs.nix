# The outputs of the template's flake, with this flake as its input.
{ rumpkin }:
let
  template = import ../templates/default/flake.nix;
  outputs = template.outputs {
    self = outputs;
    inherit rumpkin;
  };
in
# What the template takes is given here, and nothing else.
assert builtins.attrNames template.inputs == [ "rumpkin" ];
outputs
