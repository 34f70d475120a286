# Kernels that can take layer 4's place in an image: mkUnikernel's `kernel`.
#
# A kernel is an attribute set with `image`, a function from platforms to the kernel's files (boot/kernel), and `parts`, what
# went into it from outside.
{ world, layers }:
let
  flags = import ./flags.nix;

  kernelFromStaticLibrary =
    { archive, init }:
    {
      parts = [ archive ];
      image = platforms: layers.image.for {
        inherit platforms;
        kernel = { inherit archive init; };
      };
    };
in
{
  kernels = {
    # The small one in C (layers/4-kernel-tiny).
    tiny.image = platforms: layers.image.for {
      inherit platforms;
      kernel = "tiny";
    };
  };

  # A kernel that somebody brings: a static library on rumpuser.h, and the name of its first function, which takes
  # nothing and returns an exit status (docs/rumpuser.md has the flags that it is to be compiled with).
  inherit kernelFromStaticLibrary;

  # The same from the .c files in the folder `src`, compiled with those flags.
  kernelFromC =
    {
      name,
      src,
      init,
      cflags ? "-Wall -Wextra -Werror",
    }:
    let
      library =
        world.run
          {
            name = "${name}-library";
            tools = [ world.gcc ];
          }
          ''
            mkdir $out
            cp -R ${src}/. .
            for source in *.c; do
              gcc ${flags.kernelC} ${cflags} -I ${../../layers/3-rumpuser/c/include} -c $source -o $source.o
            done
            # By its path: the shell may have an ar of its own, which cannot make archives.
            ${world.gcc}/bin/ar rcsD $out/lib${name}.a *.o
          '';
    in
    kernelFromStaticLibrary {
      archive = "${library}/lib${name}.a";
      inherit init;
    };
}
