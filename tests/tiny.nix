# The tiny kernel's image has no symbol of layer 4 or 5, and stands on the very platform, core and hypercalls of httpd's.
{
  world,
  layers,
  apps,
}:
let
  tiny = layers.image.for { kernel = "tiny"; };
in
world.run
  {
    name = "another-kernel";
    tools = [ world.gcc ];
  }
  ''
    words='rumpkin_(abi|base|collections|configuration|dev|erofs|event|exec|mm|mmap|net|proc|process|program|signal|spine|system|time|tmpfs|vfs)([^_]|$)'
    nm ${layers.image}/boot/kernel.debug > ours
    nm ${tiny}/boot/kernel.debug > symbols
    # The words are right if they are found where they belong.
    for crate in base spine mm net vfs; do grep -qE "rumpkin_$crate([^_]|$)" ours || { echo "no $crate in our image"; exit 1; }; done
    grep -q ' tiny_init$' symbols
    ! grep -E "$words" symbols || exit 1
    ! grep -E '^(rumpkin-(abi|base|collections|configuration|dev|erofs|event|exec|mm|mmap|net|proc|process|program|signal|spine|system|time|tmpfs|vfs)|smoltcp) ' ${tiny}/compiled || exit 1

    # These are the kernels that are examined here.
    [ ${apps.tiny.kernel} = ${tiny}/boot/kernel ]
    [ ${apps.httpd.kernel} = ${layers.image}/boot/kernel ]
    [ ${tiny.parts.platform} = ${layers.image.parts.platform} ]
    [ ${tiny.parts.rumpuser-core} = ${layers.image.parts.rumpuser-core} ]
    for part in ${layers.core} ${layers.platform} ${layers.rumpuser} ${layers.rumpuser-core}; do
      while read -r crate; do grep -qxF "$crate" ${tiny}/compiled; grep -qxF "$crate" ${layers.image}/compiled; done < $part/compiled-here
    done
    echo 'rumpkin-image 0.1.0' | cmp - ${tiny}/compiled-here
    echo "$(stat -c %s ${tiny}/boot/kernel) bytes" | tee $out
  ''
