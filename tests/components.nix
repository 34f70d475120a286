# An image has the components that were chosen and none that was not: not their names in the manifest, not a symbol of
# theirs. To choose compiles the composition root alone.
{ world, layers }:
let
  inherit (layers.image) needed;
  optional = builtins.filter (name: !(builtins.elem name needed)) layers.image.components;

  # Examines the image with the needed components and, of the others, `chosen` alone.
  examine =
    chosen:
    let
      components = builtins.filter (name: builtins.elem name (needed ++ chosen)) layers.image.components;
      image = layers.image.for { inherit components; };
    in
    ''
      strings ${image}/boot/kernel | sed -n 's/.*"components":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr , '\n' | sort > named
      echo ${toString components} | tr ' ' '\n' | sort | diff named -
      nm ${image}/boot/kernel.debug > symbols
      for component in ${toString components}; do
        grep -qE "rumpkin_$component([^a-z]|$)" symbols || { echo "no symbol of $component in the image that has it"; exit 1; }
      done
      for component in ${toString (builtins.filter (name: !(builtins.elem name components)) optional)}; do
        ! grep -E "rumpkin_$component([^a-z]|$)" symbols || { echo "$component is in an image without it"; exit 1; }
      done
      echo 'rumpkin-image 0.1.0' | cmp - ${image}/compiled-here
      echo "$(stat -c %s ${image}/boot/kernel) bytes with ${toString components}" | tee -a $out
    '';
in
world.run
  {
    name = "component-choice";
    tools = [ world.gcc ];
  }
  ''
    ${examine optional}
    ${examine [ ]}
    ${builtins.concatStringsSep "" (map (name: examine [ name ]) optional)}
  ''
