# The kernels of this world and of another one are the same, to the byte, whatever compilers and tools they have beside the one
# Rust: those of all programs, and of the app without userspace.
{ world, layers }:
let
  elsewhere = import ../pkgs/lib/layers.nix { world = world.other; };
  kernels = of: [
    of.image
    (of.image.for { app = "sensor"; })
  ];
in
world.run
  {
    name = "one-kernel";
    env = {
      here = kernels layers;
      there = kernels elsewhere;
    };
  }
  ''
    set -- $there
    for kernel in $here; do
      for file in boot/kernel boot/kernel.debug components; do
        cmp $kernel/$file $1/$file
        sha256sum $kernel/$file
      done
      shift
    done > same
    mv same $out
  ''
