# What the benchmarks run: a folder with images, and the programs in them for the Linux guest (NAME-elf).
{
  world,
  layers,
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
    mkUnikernel { inherit name program files; };
in
world.run { name = "bench"; } ''
  mkdir $out
  ln -s ${layers.image.for [ "hw" ]}/boot/kernel $out/kernel
  ln -s ${layers.image}/boot/kernel $out/kernel-everywhere
  ln -s ${image "hello" hello { }} $out/hello
  ln -s ${hello} $out/hello-elf
  ln -s ${image "httpd" httpd { "/srv/www" = ./www; }} $out/httpd
  ln -s ${httpd} $out/httpd-elf
  ln -s ${image "probe" probe { }} $out/probe
  ln -s ${probe} $out/probe-elf
''
