# Makes one bootable image of a program: an EROFS root file system and a default configuration, joined to the kernel.
#
#   mkUnikernel {
#     name = "httpd";
#     program = "${httpd}/bin/httpd";
#     files."/srv/www" = ./www;
#   }
#
# The result is the image file itself. Its attributes: `runner` (a folder with bin/run-NAME, which takes the
# launcher's arguments), `program`, `rootfs`, `config`, `kernel`, and `manifest`, a text that says what it consists of.
{
  world,
  layers,
  tools,
}:
let
  mkRootfs = import ./mkRootfs.nix { inherit world; };
in
{
  name,
  # The program, an ELF file; in the image it is /bin/<its name>.
  program ? null,
  # Or an app without userspace, by its name ("sensor"), which stands on the kernel itself.
  app ? null,
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
  # What it shall boot on: "hw" (PC hardware, QEMU, KVM), "xen", or both. What is left out is not in the image.
  platforms ? layers.image.platforms,
  # The kernel's components: "net", "vfs", "process", "event", "time". What is left out is not in the image, and its
  # system calls say ENOSYS. A program cannot do without "vfs" and "process".
  components ? layers.image.components,
  # Another kernel in the place of ours (pkgs/kernels.nix); then there is no program, but for what that kernel runs.
  kernel ? null,
  # Ports that the runner forwards, as "HOST:GUEST", unless it is told which.
  forward ? [ ],
}:
assert
  builtins.length (builtins.filter (given: given != null) [ program rootfs app kernel ]) == 1
  || throw "mkUnikernel ${name}: give one of `program`, `rootfs`, `app` and `kernel`";
assert
  program != null || rootfs != null
  || files == { } && args == [ ] && env == { }
  || throw "mkUnikernel ${name}: without userspace there are no `files`, `args` or `env`; use `config`";
assert
  rootfs == null
  || config ? programs
  || throw "mkUnikernel ${name}: with `rootfs`, say in `config.programs` what to run";
assert
  builtins.all (needed: builtins.elem needed components) [ "vfs" "process" ]
  || throw "mkUnikernel ${name}: `components` must have \"vfs\" and \"process\": no program runs without them";
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

  root =
    if program == null && rootfs == null then
      null
    else
      mkRootfs {
        inherit name;
        base = rootfs;
        files = (if program == null then { } else { ${inside} = program; }) // files;
      };

  # The kernel's files, without what is baked into the image.
  composition =
    if kernel == null then layers.image.for { inherit platforms components app; } else kernel.image platforms;
  elf = "${composition}/boot/kernel";

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
        rumpkin-bake --kernel ${elf} ${if root == null then "" else "--rootfs ${root}"} --config ${configFile} -o $out
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
  inherit runner program;
  kernel = elf;
  rootfs = root;
  config = configFile;
  manifest = world.run { name = "${name}-manifest"; tools = [ tools ]; } "rumpkin inspect ${image} > $out";
}
