# Boots of images in the sandbox, on every machine type.
{
  world,
  layers,
  apps,
  tools,
  guest,
  mkUnikernel,
  mkProgram,
}:
let
  judge = mkProgram {
    name = "boottest";
    members = [
      "tests/boot"
      "pkgs/bake"
      "pkgs/format"
    ];
  };
  bootTest = import ../pkgs/bootTest.nix { inherit world tools judge; };

  kernel = "${layers.image}/boot/kernel";
  merge = builtins.foldl' (all: some: all // some) { };

  # A guest test program, with arguments for the judge.
  area =
    name: arguments:
    bootTest {
      name = "guest-${name}";
      script = "rumpkin-boottest tap --machine $machine ${
        mkUnikernel {
          name = "guest-${name}";
          program = "${guest}/bin/${name}";
        }
      } ${arguments}";
    };

  areasInC = [
    "epoll"
    "futex"
    "mmap"
    "signals"
    "tcp"
    "timers"
    "tmpfs"
    "udp"
  ];

  # Bad input of every kind, so many random changes of each.
  hostile =
    rounds:
    "rumpkin-boottest hostile --machine $machine --kernel ${kernel} --program ${apps.hello.program} --rounds ${toString rounds}";

  # The site that the web server is asked for.
  site = world.run {
    name = "site";
    tools = [ judge ];
  } "rumpkin-boottest site $out";
in
{
  boots = merge [
    (bootTest {
      name = "hello";
      script = ''
        rumpkin-boottest program --machine $machine --memory 8 ${apps.hello} --status 7 --expect 'hello, world' -- --exit 7
      '';
    })
    (bootTest {
      name = "httpd";
      script = ''
        rumpkin-boottest web --machine $machine --site ${site} --program ${apps.httpd.program} ${
          mkUnikernel {
            name = "httpd-of-test-site";
            inherit (apps.httpd) program;
            files."/srv/www" = site;
          }
        }
      '';
    })
  ];

  guest = merge (
    builtins.concatMap (name: [
      (area "${name}-musl" "")
      (area "${name}-glibc" "")
    ]) areasInC
    ++ [
      (area "block-musl" "--disk 2 -- /dev/vda")
      (area "block-glibc" "--disk 2 -- /dev/vda")
      (area "threads" "")
      (area "streams" "")
    ]
  );

  hostile = bootTest {
    name = "hostile";
    programs = [ world.erofs ];
    machines = [ "microvm" ];
    script = hostile 12;
  };

  # More of the same, for `./x check --long`.
  long = bootTest {
    name = "long-hostile";
    programs = [ world.erofs ];
    script = hostile 100;
  };
}
