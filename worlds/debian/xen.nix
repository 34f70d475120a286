# Xen: the hypervisor, the programs of its toolstack, and a Linux kernel with modules for the domain that runs them.
{
  run,
  seeds,
  unpack,
}:
let
  tools = unpack {
    name = "xen-4.17";
    set = "xen";
    programs = "usr/bin/* usr/lib/xen-4.17/bin/*";
    script = ''
      mkdir bin
      for program in xl xenstored xenconsoled xenconsole xen-init-dom0 lsevtchn; do
        mv usr/lib/xen-4.17/bin/$program usr/bin/
        ln -s ../usr/bin/$program bin/
      done
      for program in usr/bin/xenstore-*; do
        [ -L $program ] || ln -s ../$program bin/
      done
      gunzip -c boot/xen-4.17-amd64.gz > xen
      # What is left is for guests of other kinds and for debugging, and is not taken into an initramfs.
      rm -rf boot usr/lib/xen-4.17 usr/share usr/sbin usr/lib/x86_64-linux-gnu/gconv
      for program in bin/*; do
        ! lib64/ld-linux-x86-64.so.2 --list $program | grep 'not found' || exit 1
      done
    '';
  };

  # busybox's own, which its shell prefers, lacks the filter for x86 code.
  xz = unpack {
    name = "xz";
    set = "xz";
    script = ''
      mkdir bin
      ln -s ../usr/bin/xz bin/
    '';
  };

  linux =
    run
      {
        name = "linux-for-dom0";
        env.debs = seeds.debs "linux";
      }
      ''
        for deb in $debs; do ar p $deb data.tar.xz | xz -dc | tar x; done
        mkdir $out
        cp -a lib/modules/*/kernel $out/modules
        rm -rf $out/modules/sound $out/modules/drivers/gpu

        # The kernel proper, an ELF file, lies compressed in the bzImage; the header tells where (Documentation/x86/boot.rst,
        # "setup_sects", "payload_offset"), and the last four bytes are its size.
        number() { od -An -t u$2 -j $1 -N $2 boot/vmlinuz-* | tr -d ' '; }
        start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
        tail -c +$((start + 1)) boot/vmlinuz-* > payload
        head -c $(($(number 588 4) - 4)) payload | ${xz}/bin/xz -dc > $out/vmlinux
        [ "$(dd if=$out/vmlinux bs=1 skip=1 count=3)" = ELF ]
      '';
in
{
  hypervisor = "${tools}/xen";
  inherit tools linux;
  helpers = "/usr/lib/xen-4.17/bin";
}
