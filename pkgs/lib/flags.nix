# The compiler flags of everything that is built here.
let
  target = "x86_64-unknown-linux-gnu";

  # Paths of the build must not show in what is built.
  inherit (import ../../worlds/place.nix) workspace vendor;
  remap = "--remap-path-prefix=${workspace}=/rumpkin --remap-path-prefix=${vendor}=/crates";
in
{
  inherit target;

  # Every crate of the kernel, ours or not: no SSE, which the kernel neither saves nor uses; no red zone, which an
  # interrupt would overwrite. rustc 1.95 warns that `-sse2` will become an error for this target; the pinned
  # toolchain is what makes it safe to use.
  kernel = "-Crelocation-model=pie -Cno-redzone=yes -Ctarget-feature=-sse,-sse2 ${remap}";

  # The last step alone, which links the kernel. Cargo runs it in the workspace's folder.
  kernelLink = builtins.concatStringsSep " " [
    "-Clinker=rust-lld"
    "-Clinker-flavor=ld.lld"
    "-Ctarget-feature=+crt-static"
    "-Clink-arg=-Tpkgs/image/link.ld"
    "-Clink-arg=--build-id=none"
    "-Clink-arg=-zmax-page-size=0x1000"
    # The image finds a random place for itself: these are the words that change then, at a bit each.
    "-Clink-arg=--pack-dyn-relocs=relr"
    # Functions that came out the same are one; nothing compares their addresses.
    "-Clink-arg=--icf=all"
    # Code is packed: padding in front of functions and loops would take 20 KiB.
    "-Cllvm-args=-align-all-functions=1"
    "-Cllvm-args=-align-loops=1"
  ];

  # Kernels in C on rumpuser.h, which nothing else makes free of SSE and of a red zone.
  kernelC = "-std=c11 -ffreestanding -O2 -fpie -mno-sse -mno-sse2 -mno-mmx -mno-80387 -mno-red-zone -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables";

  # Programs for the guest: static, at any address.
  program = "-Ctarget-feature=+crt-static -Cstrip=symbols ${remap}";

  # Programs for the machine that builds.
  host = remap;
}
