# Kernels that can take layer 4's place in an image: mkUnikernel's `kernel`.
#
# A kernel is an attribute set with `image`, a function from platforms to the kernel's files (boot/kernel).
{ layers }:
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
  kernelFromStaticLibrary =
    { archive, init }:
    {
      image = platforms: layers.image.for {
        inherit platforms;
        kernel = { inherit archive init; };
      };
    };
}
