# What the benchmarks run: a folder with images, and the programs in them for the Linux guest (NAME-elf).
{
  world,
  layers,
  tools,
  mkUnikernel,
  mkProgram,
}:
let
  program =
    name: member:
    "${
      mkProgram {
        name = "${name}-program";
        members = [ member ];
      }
    }/bin/${name}";

  hello = program "hello" "apps/hello";
  httpd = program "httpd" "apps/httpd";
  probe = program "probe" "tests/bench/programs";

  image =
    name: program: files:
    mkUnikernel {
      inherit name program files;
      closure = false;
    };

  # The programs that dom0 runs, in /bench/bin.
  dom0Tools = import ../xen/archive.nix { inherit world; } {
    name = "bench-tools";
    closure = world.run { name = "bench-tools"; } ''
      mkdir -p $out/bin
      ln -s ${world.wrk}/bin/wrk ${tools}/bin/rumpkin $out/bin/
    '';
    script = "ln -s $closure bench";
  };
in
world.run { name = "bench"; } ''
  mkdir $out
  ln -s ${layers.image.for { platforms = [ "hw" ]; }}/boot/kernel $out/kernel
  ln -s ${layers.image}/boot/kernel $out/kernel-everywhere
  ln -s ${image "hello" hello { }} $out/hello
  ln -s ${hello} $out/hello-elf
  ln -s ${image "httpd" httpd { "/srv/www" = ./www; }} $out/httpd
  ln -s ${httpd} $out/httpd-elf
  ln -s ${image "probe" probe { }} $out/probe
  ln -s ${probe} $out/probe-elf
  mkdir $out/xen
  ln -s ${world.xen.hypervisor} $out/xen/xen
  ln -s ${world.xen.linux}/vmlinux $out/xen/vmlinux
  ln -s ${import ../xen/dom0.nix { inherit world; }} $out/xen/dom0.cpio
  ln -s ${dom0Tools} $out/xen/tools.cpio
''
