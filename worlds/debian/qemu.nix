# QEMU for x86-64 guests.
{ unpack, ... }:
unpack {
  name = "qemu";
  set = "qemu";
  programs = "usr/bin/qemu-system-x86_64 usr/bin/qemu-img";
  script = ''
    # QEMU looks for its modules beside its program, and for firmware in its own folder alone.
    mkdir bin
    ln -s ../usr/bin/qemu-system-x86_64 bin/
    cp -an usr/share/seabios/. usr/share/qemu/
    bin/qemu-system-x86_64 --version
    bin/qemu-system-x86_64 -M help | grep microvm
    bin/qemu-system-x86_64 -accel help | grep tcg
  '';
}
