# Boots of images in the sandbox, on every machine type.
{
  world,
  layers,
  apps,
  tools,
  guest,
  mkUnikernel,
  mkProgram,
  kernelFromC,
}:
let
  judge = import ./judge.nix { inherit mkProgram; };
  bootTest = import ../pkgs/lib/bootTest.nix { inherit world tools judge; };

  xenTest = import ./xen/xenTest.nix { inherit world tools judge; };
  xenSmokeTest = import ./xen/smokeTest.nix { inherit world; };

  # Alone: what a test names is taken into dom0's memory.
  kernel = world.run { name = "kernel"; } "cp ${layers.image}/boot/kernel $out";
  merge = builtins.foldl' (all: some: all // some) { };

  # The image of a guest test program.
  area =
    name:
    mkUnikernel {
      name = "guest-${name}";
      program = "${guest}/bin/${name}";
      closure = false;
    };

  # A test that runs one, with arguments for the judge.
  areaTest = name: program: arguments: {
    name = "guest-${name}";
    script = "rumpkin-boottest tap --machine $machine ${area program} ${arguments}";
  };

  areasInC = [
    "components"
    "epoll"
    "futex"
    "instructions"
    "local"
    "locks"
    "mmap"
    "mounts"
    "options"
    "signals"
    "tcp"
    "timers"
    "tmpfs"
    "udp"
    "usage"
  ];

  # The same program in an image without some of the components, which it is told.
  without =
    absent:
    bootTest {
      name = "without-${builtins.concatStringsSep "-" absent}";
      machines = [ "microvm" ];
      script = "rumpkin-boottest tap --machine $machine ${
        mkUnikernel {
          name = "without-${builtins.concatStringsSep "-" absent}";
          program = "${guest}/bin/components-musl";
          closure = false;
          components = builtins.filter (name: !(builtins.elem name absent)) layers.image.components;
        }
      } -- ${toString absent}";
    };

  # The site that the web server is asked for.
  site = world.run {
    name = "site";
    tools = [ judge ];
  } "rumpkin-boottest site $out";

  siteImage = mkUnikernel {
    name = "httpd-of-test-site";
    inherit (apps.httpd) program;
    closure = false;
    files."/srv/www" = site;
  };

  # Each test once, for every machine: $machine is pc, q35, microvm or xen.
  basics = [
    {
      name = "hello";
      script = ''
        rumpkin-boottest program --machine $machine --memory $least ${apps.hello} --status 7 --expect 'hello, world' -- --exit 7
      '';
    }
    {
      name = "httpd";
      script = ''
        rumpkin-boottest web --machine $machine --site ${site} --program ${apps.httpd.program} ${siteImage}
      '';
    }
  ];

  # Kernels in C in the place of layer 4.
  otherKernels = [
    {
      name = "tiny";
      script = "rumpkin-boottest tiny --machine $machine --memory 16 ${apps.tiny}";
    }
    {
      name = "conformance";
      script = "rumpkin-boottest tap --machine $machine --disk 2 --link --expect 'disk0 was read back' --expect 'link 0 was answered' ${
        mkUnikernel {
          name = "conformance";
          # It exercises the hypercalls.
          kernel = kernelFromC {
            name = "conformance";
            src = ./rumpuser;
            init = "conformance_init";
          };
        }
      }";
    }
  ];

  # Nothing but what it names: so many MiB of memory, and no userspace.
  sensor = memory: {
    name = "sensor";
    script = "rumpkin-boottest sensor --machine $machine --memory ${memory} ${apps.sensor}";
  };

  # A server that is stormed from outside with datagrams and connections: more of these than it has memory for, and as many as it has.
  siege = {
    name = "siege";
    script = ''
      rumpkin-boottest siege --machine $machine --memory 16 ${area "besieged-musl"}
      rumpkin-boottest siege --machine $machine --memory 96 --all ${area "besieged-musl"}
    '';
  };

  areas =
    builtins.concatMap (name: [
      (areaTest "${name}-musl" "${name}-musl" "")
      (areaTest "${name}-glibc" "${name}-glibc" "")
    ]) areasInC
    ++ [
      (areaTest "block-musl" "block-musl" "--disk 2 -- /dev/vda")
      (areaTest "block-glibc" "block-glibc" "--disk 2 -- /dev/vda")
      (areaTest "block-read-only" "block-musl" "--disk 2 --read-only -- /dev/vda ro")
      (areaTest "threads" "threads" "")
      (areaTest "streams" "streams" "")
      (areaTest "peer" "peer" "")
      siege
    ];

  # A disk kept where there is no room for all of it: on a file system of 512 KiB, in a name space of the test's own.
  diskFull = {
    name = "disk-full";
    script = ''
      mkdir small run
      XDG_RUNTIME_DIR=$PWD/run ${world.busybox} unshare -U -r -m sh -ec "
        ${world.busybox} mount -t tmpfs -o size=512k none $PWD/small
        TMPDIR=$PWD/small rumpkin-boottest tap --machine $machine --disk 2 --expect 'vda: a write failed at sector' ${area "block-musl"} -- /dev/vda full
      "
    '';
  };

  # The program that takes all it can get, in machines of so many MiB.
  exhaust =
    machines: sizes:
    let
      run =
        size:
        "rumpkin-boottest tap --machine $machine --memory ${toString size} ${area "exhaust-musl"}";
    in
    {
      inherit machines;
      name = "exhaust";
      script = builtins.concatStringsSep "\n" (map run sizes);
    };

  # Connections in bursts of 1,500, so many times. Both their ends are in the guest, which lets TCP have half of its memory.
  burst = name: bursts: {
    inherit name;
    machines = [ "microvm" ];
    script = "rumpkin-boottest tap --machine $machine --memory 160 ${area "burst-musl"} -- ${toString bursts}";
  };

  # Bad input of every kind, so many random changes of each.
  hostile = name: rounds: {
    inherit name;
    programs = [ world.erofs ];
    script = "rumpkin-boottest hostile --machine $machine --kernel ${kernel} --program ${apps.hello.program} --rounds ${toString rounds}";
  };

  # Programs that others wrote, each with its client.
  served =
    name:
    let
      inherit (apps.${name}) test;
      client = world.run { name = "${name}-client"; } "cat ${./client.sh} ${test.client} > $out";
    in
    {
      name = "app-${name}";
      programs = test.programs or [ ];
      script = "rumpkin-boottest client --machine $machine --memory ${toString test.memory} ${apps.${name}} --port ${toString test.port} --status ${toString (test.status or 0)} --client ${client}";
    };
  servedApps = builtins.filter (name: apps.${name} ? test) (builtins.attrNames apps);

  # Images are in dom0's memory, and so are the packages that they name; some are for the long checks.
  large = [ "node" ];
  appsOnXen =
    name: names: dom0Memory:
    xenTest {
      inherit name dom0Memory;
      tests = map served names;
      memory = dom0Memory + 768;
    };

  onQemu = tests: merge (map bootTest tests);
  servedOn = machines: onQemu (map (name: served name // { inherit machines; }) servedApps);
  onXen = name: tests: { "xen-${name}" = xenTest { inherit name tests; }; };
in
{
  boots = onQemu (basics ++ [ (sensor "4") ] ++ otherKernels);
  guest = merge [
    (onQemu areas)
    (bootTest diskFull)
    (bootTest (burst "burst" 6))
    (bootTest (
      exhaust
        [ "microvm" ]
        [
          8
          10
          12
          14
          16
          20
          24
          32
          48
          64
        ]
    ))
    (bootTest (
      exhaust
        [
          "pc"
          "q35"
        ]
        [
          8
          24
        ]
    ))
    (without [ "net" ])
    (without [ "event" ])
    (without [ "time" ])
    (without [ "proc" ])
    (without [
      "tmpfs"
      "proc"
      "dev"
    ])
    (without [
      "net"
      "event"
      "time"
    ])
  ];
  apps = servedOn [ "microvm" ];
  hostile = bootTest (hostile "hostile" 12 // { machines = [ "microvm" ]; });

  xen = merge [
    {
      xen-smoke = xenSmokeTest {
        name = "hello";
        image = apps.hello;
        configuration = {
          network.address = "none";
          programs = [
            {
              argv = [
                "/bin/hello"
                "--exit"
                "7"
              ];
            }
          ];
        };
        status = 7;
        expect = "hello, world";
      };
    }
    (onXen "boots" (
      basics
      ++ [
        (sensor "$least")
      ]
      ++ otherKernels
    ))
    (onXen "guest" (
      areas
      ++ [
        (exhaust
          [ ]
          [
            16
            32
          ]
        )
      ]
    ))
    {
      xen-hostile = xenTest {
        name = "hostile";
        tests = [ (hostile "hostile" 4) ];
        # Some seventy guests.
        limit = 1200;
      };
    }
    { xen-apps = appsOnXen "apps" (builtins.filter (name: !(builtins.elem name large)) servedApps) 1536; }
    (onXen "domains" (import ./xen/domains.nix { inherit apps area guest; }))
  ];

  # More of the same, for `./x check --long`.
  long = merge [
    (bootTest (hostile "long-hostile" 100 // { limit = 3600; }))
    (servedOn [
      "pc"
      "q35"
    ])
    { xen-large-apps = appsOnXen "large-apps" large 2048; }
    # 100,500 connections.
    (bootTest (burst "long-burst" 67 // { limit = 3600; }))
  ];
}
