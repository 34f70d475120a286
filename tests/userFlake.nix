# The outputs of a user's flake, the file `flake`, with this flake as its input.
{ rumpkin }:
flake:
let
  user = import flake;
  outputs = user.outputs {
    self = outputs;
    inherit rumpkin;
  };
in
# What it takes is given here, and nothing else.
assert builtins.attrNames user.inputs == [ "rumpkin" ];
outputs
