# Makes one bootable image of a program: an EROFS root file system and a default configuration, joined to the kernel.
#
#   mkUnikernel {
#     name = "httpd";
#     program = "${httpd}/bin/httpd";
#     files."/srv/www" = ./www;
#   }
#
# The result is the image file itself. Its attributes: `runner` (a folder with bin/run-NAME, which takes the
# launcher's arguments), `rootfs`, `config`, `kernel`, `manifest`, and `boot`, which makes boot tests of it.
{
  world,
  layers,
  tools,
}:
let
  bootTest = import ./bootTest.nix { inherit world tools; };
in
{
  name,
  # The program, an ELF file; in the image it is /bin/<its name>.
  program ? null,
  # Or a whole root file system, as a folder.
  rootfs ? null,
  # The program's arguments after its name.
  args ? [ ],
  # Its environment.
  env ? { },
  # Further files and folders: their place in the image, and what goes there.
  files ? { },
  # More of the default configuration (docs/configuration.md); it has the last word.
  config ? { },
  # The kernel's ELF file.
  kernel ? "${layers.image}/boot/kernel",
  # Ports that the runner forwards, as "HOST:GUEST", unless it is told which.
  forward ? [ ],
}:
assert
  (program == null) != (rootfs == null)
  || throw "mkUnikernel ${name}: give either `program` or `rootfs`, not both or none";
assert
  program != null
  || config ? programs
  || throw "mkUnikernel ${name}: with `rootfs`, say in `config.programs` what to run";
let
  # A place in the image is a name; it does not need the program to be there.
  inside = builtins.unsafeDiscardStringContext "/bin/${baseNameOf program}";

  configuration =
    (
      if program == null then
        { }
      else
        {
          programs = [
            {
              argv = [ inside ] ++ args;
              inherit env;
            }
          ];
        }
    )
    // config;

  everything = (if program == null then { } else { ${inside} = program; }) // files;

  root =
    world.run
      {
        name = "${name}.erofs";
        tools = [ world.erofs ];
      }
      ''
        mkdir root
        cd root
        mkdir bin dev etc proc tmp
        ${if rootfs == null then "" else "cp -R ${rootfs}/. ."}
        chmod -R u+w .
        ${builtins.concatStringsSep "\n" (
          map (place: ''
            mkdir -p ".${dirOf place}"
            cp -R ${everything.${place}} ".${place}"
          '') (builtins.attrNames everything)
        )}
        # What the store does to modes, undone.
        chmod -R u+w,go-w .
        cd ..
        # One UUID, time and owner for all, and data in whole pages: the same files are always the same bytes, and
        # can be mapped in place.
        mkfs.erofs --quiet -T0 -U 00000000-0000-0000-0000-000000000000 --all-root -x-1 -E noinline_data $out root >&2
      '';

  configFile = world.run {
    name = "${name}.json";
    env = {
      json = builtins.toJSON configuration;
      passAsFile = [ "json" ];
    };
  } "cp $jsonPath $out";

  image =
    world.run
      {
        inherit name;
        tools = [ tools ];
      }
      ''
        rumpkin-bake --kernel ${kernel} --rootfs ${root} --config ${configFile} -o $out
      '';

  runner = world.run { name = "run-${name}"; } ''
    mkdir -p $out/bin
    cat > $out/bin/run-${name} <<'EOF'
    #!/bin/sh
    # The machine's own QEMU if it has one, else the pinned one.
    export PATH="$PATH:${world.qemu}/bin"
    case " $* " in
      *" --forward"* | *" --tap"* | *" --print-command "*) ;;
      *) set -- ${
        toString (map (ports: "--forward ${ports}") forward)
      } "$@" ;;
    esac
    exec ${tools}/bin/rumpkin run ${image} "$@"
    EOF
    chmod +x $out/bin/run-${name}
  '';
in
image
// {
  inherit runner kernel;
  rootfs = root;
  config = configFile;
  manifest = world.run { name = "${name}-manifest"; tools = [ tools ]; } "rumpkin inspect ${image} > $out";
  boot =
    test:
    bootTest (
      test
      // {
        inherit image;
        name = test.name or name;
      }
    );
}
