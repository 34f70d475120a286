# Makes one bootable image of a program: an EROFS root file system and a default configuration, joined to the kernel.
#
#   mkUnikernel {
#     name = "httpd";
#     program = "${httpd}/bin/httpd";
#     files."/srv/www" = ./www;
#   }
#
# The options are in unikernel/options.nix, which docs/mkUnikernel.md is made of. The result is the image file itself, with
# the attributes that the page names.
{
  world,
  layers,
  tools,
  imageTools,
  bootTest,
}:
let
  mkRootfs = import ./mkRootfs.nix { inherit world; };
  inherit (import ./shell.nix) quote;
  about = import ./about.nix { inherit world imageTools; };
  inherit (import ./unikernel/options.nix { inherit layers; })
    filled
    problems
    mainProgram
    inside
    ;
in
given:
let
  wrong = problems given;
  options = if wrong == [ ] then filled given else throw (builtins.concatStringsSep "\n" wrong);
  inherit (options)
    name
    package
    app
    rootfs
    args
    env
    cwd
    files
    closure
    exclude
    config
    platforms
    components
    kernel
    forward
    description
    ;
  program = mainProgram options;

  place = inside program;
  # It comes with its package, or as a file of its own.
  packaged = program != null && closure;
  alone = program != null && !closure;

  configuration =
    (
      if program == null then
        { }
      else
        {
          programs = [
            {
              argv = [ place ] ++ args;
              inherit env cwd;
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
        inherit name exclude;
        base = rootfs;
        users = packaged;
        files = (if alone then { ${place} = program; } else { }) // files;
        links = if packaged then { ${place} = "${program}"; } else { };
        closures = if packaged then [ "${program}" ] else [ ];
        # What a setting names is in the image; so is what files refer to.
        references =
          if closure then
            [ "${configFile}" ]
            ++ map (place: "${files.${place}}") (builtins.attrNames files)
            ++ (if rootfs == null then [ ] else [ "${rootfs}" ])
          else
            [ ];
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

  # By its first bytes: ELF64, little endian, for x86-64 (System V gABI, chapter 4).
  isProgram = ''
    program=${quote "${program}"}
    fail() { echo "mkUnikernel ${name}: $program $1" >&2; exit 1; }
    [ -f "$program" ] || fail "is not there; beside it there are: $(ls "''${program%/*}" 2>&1)"
    case $(od -An -v -tx1 -N20 "$program" | tr -d ' \n') in
      7f454c46020101*3e00) ;;
      2321*) fail 'is a script, and the program of an image must be an ELF file: give the one that it runs, and the script as an argument'"'s file" ;;
      *) fail 'is no ELF file for x86-64' ;;
    esac
  '';

  image =
    world.run
      {
        inherit name;
        tools = [ imageTools ];
      }
      ''
        ${if program == null then "" else isProgram}
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
  inherit
    (about {
      inherit name image composition;
      tree = if root == null then null else root.tree;
      parts =
        (
          if program == null then
            [ ]
          else
            [
              {
                path = program;
                inherit place;
                inherit package;
              }
            ]
        )
        ++ (
          if rootfs == null then
            [ ]
          else
            [
              {
                path = rootfs;
                place = "/";
              }
            ]
        )
        ++ map (place: {
          path = files.${place};
          inherit place;
        }) (builtins.attrNames files)
        ++ map (path: { inherit path; }) (kernel.parts or [ ]);
    })
    manifest
    sizes
    ;
in
image
// {
  inherit
    runner
    program
    composition
    closure
    manifest
    sizes
    ;
  meta.description = if description == null then "The unikernel ${name}" else description;
  kernel = elf;
  rootfs = root;
  config = configFile;
  # `bootTest { port = 80; answer = "Hello"; }`: boots this image.
  bootTest = test: bootTest ({ inherit name image; } // test);
}
