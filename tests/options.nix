# What mkUnikernel says to wrong options, each with its sentence; and the page that is made of the options.
{
  world,
  layers,
  lib,
}:
let
  inherit (import ../pkgs/lib/unikernel/options.nix { inherit layers; }) options problems;
  page = import ../pkgs/lib/unikernel/page.nix { inherit options; };

  program = ./options.nix;
  package = {
    outPath = "/nix/store/${builtins.hashString "md5" ""}-package";
  };

  # What is wrong, and a part of the one sentence that says so. `name` and `program` are added where they are not the point.
  cases = {
    "no option of that name" = [ { programm = program; } "there is no option `programm`; there are app, args" ];
    "no name" = [ { name = null; } "`name` is null; it must be letters" ];
    "a name with a space" = [ { name = "a b"; } "`name` is \"a b\"; it must be letters" ];
    "a program that is a word" = [ { program = "redis"; } "`program` is \"redis\"; it must be a path" ];
    "a program that is not there" = [ { program = ./absent; } "absent, which does not exist" ];
    "a program that is a list" = [ { program = [ ]; } "`program` is a list; it must be a path or a package" ];
    "a program that is a package" = [ { program = package; } "`program` is a package; name the file in it" ];
    "a program outside of the store" = [ { program = "/usr/bin/redis-server"; } "outside of Nix's store: a build sees only what is in it" ];
    "a package for another machine" = [
      { program = null; package = package // { pname = "a"; system = "aarch64-linux"; }; }
      "`package` is for aarch64-linux, and images are for x86_64-linux"
    ];
    "a closure by a word" = [ { closure = "no"; } "`closure` is \"no\"; it must be true or false" ];
    "a pattern from the root on" = [ { exclude = [ "/share" ]; } "`exclude[0]` is \"/share\"; it must be a pattern below a package" ];
    "a pattern that leaves its package" = [ { exclude = [ "../a" ]; } "`exclude[0]` is \"../a\"" ];
    "a closure without userspace" = [ { program = null; app = "sensor"; closure = false; } "`closure` are for a program" ];
    "a package that is a path" = [ { package = ./.; } "`package` is a path; it must be a package" ];
    "a package without a main program" = [
      { program = null; inherit package; }
      "`package` does not say what its main program is"
    ];
    "a root that is not there" = [ { rootfs = ./absent; } "`rootfs` is " ];
    "a root alone, and nothing to run" = [ { program = null; rootfs = ./.; } "`rootfs` alone does not say what to run" ];
    "a root alone with arguments" = [
      { program = null; rootfs = ./.; args = [ ]; config.programs = [ { argv = [ "/a" ]; } ]; }
      "`args` are for `program`; with `rootfs` alone"
    ];
    "an app that there is not" = [ { program = null; app = "httpd"; } "`app` is \"httpd\"; it must be one of \"sensor\"" ];
    "a kernel that is a name" = [ { program = null; kernel = "tiny"; } "`kernel` is \"tiny\"; it must be one of lib.kernels" ];
    "nothing to run" = [ { program = null; } "there is nothing to run: give `program`" ];
    "two things to run" = [ { app = "sensor"; } "`program`, `app` exclude each other" ];
    "files without userspace" = [ { program = null; app = "sensor"; files."/a" = program; } "`files` are for a program" ];
    "components without userspace" = [
      { program = null; app = "sensor"; components = [ "net" ]; }
      "`components` are our kernel's for programs"
    ];
    "arguments in one string" = [ { args = "-a -b"; } "`args` is \"-a -b\"; it must be a list" ];
    "an argument that is a number" = [ { args = [ "--port" 80 ]; } "`args[1]` is a number; it must be a string: \"80\"" ];
    "an argument in the store" = [
      { args = [ "${builtins.toFile "a" ""}" ]; closure = false; }
      "`args` name something in the store, which is not in the image without `closure`"
    ];
    "an environment that is a list" = [ { env = [ "A=b" ]; } "`env` is a list; it must be an attribute set" ];
    "a variable that is a number" = [ { env.PORT = 80; } "`env.PORT` is a number; it must be a string: \"80\"" ];
    "a variable whose name has a =" = [ { env."A=b" = "c"; } "`env.\"A=b\"` is no name of a variable" ];
    "a relative working directory" = [ { cwd = "srv"; } "`cwd` is \"srv\"; it must be an absolute path" ];
    "files that are a list" = [ { files = [ ./. ]; } "`files` is a list; it must be an attribute set" ];
    "a relative place" = [ { files."etc/a" = program; } "`files.\"etc/a\"` is no place in the image" ];
    "a place with .." = [ { files."/etc/../a" = program; } "`files.\"/etc/../a\"` is no place in the image" ];
    "a place that the kernel hides" = [ { files."/tmp/a" = program; } "would be hidden by /tmp" ];
    "the program's place" = [ { files."/bin/options.nix" = program; } "is where the program goes" ];
    "text for a file" = [ { files."/etc/motd" = "Welcome"; } "(builtins.toFile makes a file of text)" ];
    "a configuration that is text" = [ { config = "{}"; } "`config` is \"{}\"; it must be an attribute set" ];
    "a key that there is not" = [ { config.host = "a"; } "`config.host` is not a known key; there are " ];
    "a key within that there is not" = [ { config.network.adress = "a"; } "`config.network.adress` is not a known key" ];
    "an address that is none" = [ { config.network.address = "10.0.0.2"; } "`config.network.address` is \"10.0.0.2\"" ];
    "a router that is none" = [ { config.network.gateway = "10.0.0.256"; } "an address of the format ipv4" ];
    "a level that there is not" = [ { config.tracing.level = "loud"; } "it must be one of \"error\"" ];
    "a switch that is text" = [ { config.tracing.syscalls = "yes"; } "it must be true or false" ];
    "an app's key for a program" = [ { config.sensor = { }; } "`config.sensor` is not a known key" ];
    "a host name that is empty" = [ { config.hostname = ""; } "`config.hostname` must have 1 to 64 characters" ];
    "two programs" = [
      { config.programs = [ { argv = [ "/a" ]; } { argv = [ "/b" ]; } ]; }
      "`config.programs` has 2 entries; it can have 1"
    ];
    "no program" = [ { config.programs = [ ]; } "`config.programs` must have 1 entry or more" ];
    "a program without a path" = [ { config.programs = [ { } ]; } "`config.programs[0]` has no `argv`, which is required" ];
    "a mount without a type" = [ { config.mounts = [ { target = "/a"; } ]; } "`config.mounts[0]` has no `type`, which is required" ];
    "a platform that there is not" = [ { platforms = [ "kvm" ]; } "`platforms[0]` is \"kvm\"; it must be one of \"hw\", \"xen\"" ];
    "no platform" = [ { platforms = [ ]; } "`platforms` is empty" ];
    "a component that there is not" = [ { components = [ "net" "time" "tcp" ]; } "`components[2]` is \"tcp\"" ];
    "a description of two lines" = [ { description = "a\nb"; } "`description` is \"a\\nb\"; it must be one line of text" ];
    "a port alone" = [ { forward = [ "80" ]; } "`forward[0]` is \"80\"; it must be [tcp:|udp:]" ];
    "a port beyond 65535" = [ { forward = [ "80:65536" ]; } "`forward[0]` is \"80:65536\"" ];
  };

  contains = part: text: builtins.replaceStrings [ part ] [ "" ] text != text;
  line = name: holds: seen: if holds then "ok ${name}" else "not ok ${name}: ${builtins.toJSON seen}";

  refused =
    name:
    let
      given = {
        name = "test";
        inherit program;
      }
      // builtins.elemAt cases.${name} 0;
      said = map builtins.unsafeDiscardStringContext (problems given);
      sentence = builtins.head said;
      who = if builtins.isString given.name then "mkUnikernel ${given.name}: " else "mkUnikernel: ";
      evaluates = (builtins.tryEval (lib.mkUnikernel given).drvPath).success;
    in
    line "refused: ${name}" (
      builtins.length said == 1
      && builtins.substring 0 (builtins.stringLength who) sentence == who
      && contains (builtins.elemAt cases.${name} 1) sentence
      && !evaluates
    ) said;

  # What looks like those and is right.
  right = {
    "an argument in the store" = { args = [ "${builtins.toFile "a" ""}" ]; };
    "a file in a package" = { program = "${world.busybox}"; };
    "a root with a program" = { rootfs = ./.; args = [ "a" ]; };
    "a root alone" = { program = null; rootfs = ./.; config.programs = [ { argv = [ "/a" ]; cwd = "/"; env.A = "b"; } ]; };
    "components without those that are always there" = { components = [ "net" ]; };
    "an app's own key" = { program = null; app = "sensor"; config.sensor.interval = "10ms"; };
    "an app" = { program = null; app = "sensor"; config.network.address = "10.0.0.2/24"; };
    "a kernel" = { program = null; kernel = lib.kernels.tiny; };
    "every port" = { forward = [ "0:65535" "udp:53:53" "tcp:0.0.0.0:8080:80" ]; };
    "everything of the configuration" = {
      config = {
        hostname = "a";
        network = { address = "dhcp"; gateway = "10.0.0.1"; nameservers = [ "255.0.0.1" ]; };
        credentials.key = "YQ==";
        tracing = { level = "info"; syscalls = true; };
      };
    };
  };
  accepted =
    name:
    let
      said = problems ({ name = "test"; inherit program; } // right.${name});
    in
    line "accepted: ${name}" (said == [ ]) said;

  # Each option is in some case.
  tried = builtins.concatMap (name: builtins.attrNames (builtins.elemAt cases.${name} 0)) (builtins.attrNames cases);
  covered = map (name: line "a case for ${name}" (builtins.elem name tried) tried) (builtins.attrNames options);

  missing = line "refused: no name at all" (problems { inherit program; } == [ "mkUnikernel: `name` is missing" ]) (
    problems { inherit program; }
  );
in
{
  options-refused =
    import ./report.nix { inherit world; } "options-refused" (
      map refused (builtins.attrNames cases) ++ map accepted (builtins.attrNames right) ++ covered ++ [ missing ]
    );

  options-page =
    world.run
      {
        name = "options-page";
        env = {
          inherit page;
          passAsFile = [ "page" ];
        };
      }
      ''
        # To bring the page up to date: nix eval --raw FLAKE#legacyPackages.SYSTEM.checks.options-page.page > docs/mkUnikernel.md
        diff -u ${../docs/mkUnikernel.md} $pagePath
        touch $out
      '';
}
