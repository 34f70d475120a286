# An image has the components that were chosen and none that was not: not their names in the manifest, not a symbol of
# theirs. To choose compiles the composition root alone.
{ world, layers }:
let
  needed = [
    "vfs"
    "erofs"
    "process"
  ];
  optional = builtins.filter (name: !(builtins.elem name needed)) layers.image.components;
  quoted = names: builtins.concatStringsSep "," (map (name: "\"${name}\"") names);

  # Examines the image with the needed components and, of the others, `chosen` alone.
  examine =
    chosen:
    let
      components = builtins.filter (name: builtins.elem name (needed ++ chosen)) layers.image.components;
      image = layers.image.for { inherit components; };
    in
    ''
      strings ${image}/boot/kernel | grep -F '"components":[${quoted components}]'
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
