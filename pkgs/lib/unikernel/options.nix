# The options of mkUnikernel, and what is wrong with wrong ones: `problems` gives sentences that name the option.
{ layers }:
let
  types = import ./types.nix;
  inherit (types)
    attributesOf
    file
    listOf
    matching
    nullOr
    oneOf
    package
    simple
    text
    ;
  schema = import ./schema.nix { inherit types; } (
    builtins.fromJSON (builtins.readFile ../../../docs/configuration.schema.json)
  );
  inherit (layers.image)
    platforms
    components
    needed
    apps
    ;
  # What these are, each in the words of its crate.
  explain = names: builtins.concatStringsSep "; " (map (name: "`${name}`: ${layers.image.description name}") names);

  # Where the kernel has file systems of its own, and the files that it makes.
  hidden = [
    "/dev"
    "/etc/hostname"
    "/etc/hosts"
    "/etc/resolv.conf"
    "/proc"
    "/run"
    "/sys"
    "/tmp"
    "/var/tmp"
  ];
  below = place: folder: place == folder || builtins.substring 0 (builtins.stringLength folder + 1) place == "${folder}/";

  place =
    path: name:
    if
      !(types.matches "(/[^/\n]+)+" name) || types.matches ".*/\\.\\.?(/.*)?" name
    then
      [ "`${path}` is no place in the image: it must be an absolute path without a slash at its end, `.` and `..`" ]
    else
      map (folder: "`${path}` would be hidden by ${folder}, which the kernel makes when it boots; choose another place") (
        builtins.filter (below name) hidden
      );

  variable =
    path: name:
    if types.matches "[^=]+" name then [ ] else [ "`${path}` is no name of a variable: it is empty or has a `=`" ];

  port = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5]?[0-9]{1,4})";

  options = {
    name = {
      type = matching "[a-zA-Z0-9+_?=-][a-zA-Z0-9+._?=-]*" "letters, digits, and any of `+-._?=`, and not begin with a point";
      example = ''"web"'';
      description = "Name of the image, of its runner (`run-NAME`) and of its store path.";
    };
    program = {
      type = nullOr file;
      default = null;
      example = ''"''${pkgs.redis}/bin/redis-server"'';
      description = "The program: an ELF file for x86-64 Linux, dynamic or static. In the image it is in `/bin`, by its own name.";
    };
    package = {
      type = nullOr package;
      default = null;
      example = "pkgs.redis";
      description = "The Nix package that the program is of. Without `program` it is the package's main one. The manifest takes name, version and licence from it; of a mere file it knows what the store path says.";
    };
    rootfs = {
      type = nullOr file;
      default = null;
      example = "./root";
      description = "A folder that the root file system begins with; `program` and `files` come on top. Without `program` say in `config.programs` what to run.";
    };
    app = {
      type = nullOr (oneOf apps);
      default = null;
      example = ''"sensor"'';
      description = "Instead of a program: an [app without userspace](userspace-less.md), which stands on the kernel itself (${explain apps}).";
    };
    kernel = {
      type = nullOr (
        simple "one of lib.kernels, or what lib.kernelFromC or lib.kernelFromStaticLibrary gives" (
          value: builtins.isAttrs value && builtins.isFunction (value.image or null)
        )
      );
      default = null;
      example = "rumpkin.lib.kernels.tiny";
      description = "Instead of a program: another kernel, which stands on the [hypercalls](rumpuser.md) in the place of ours.";
    };
    args = {
      type = listOf text;
      default = [ ];
      example = ''[ "--port" "80" ]'';
      description = "The program's arguments after its name.";
    };
    env = {
      type = attributesOf variable text;
      default = { };
      example = ''{ RUST_LOG = "info"; }'';
      description = "The program's environment.";
    };
    cwd = {
      type = matching "/.*" "an absolute path in the image";
      default = "/";
      example = ''"/srv"'';
      description = "The program's working directory.";
    };
    files = {
      type = attributesOf place file;
      default = { };
      example = ''{ "/srv/www" = ./www; "/etc/motd" = builtins.toFile "motd" "Welcome\n"; }'';
      description = "Further files and folders: their place in the image, and what goes there.";
    };
    closure = {
      type = simple "true or false" builtins.isBool;
      default = true;
      example = "false";
      description = "Whether the program comes with its package and all that it needs to run, as Nix knows it, below `/nix/store`; then `args`, `env`, `config` and files can name store paths, which come along. Without, the program is a single file, which must be static.";
    };
    exclude = {
      type = listOf (matching "([^/. \n][^/ \n]*/)*[^/. \n][^/ \n]*" "a pattern below a package, such as \"share/man\"");
      default = [
        "include"
        "lib/*.a"
        "lib/*.la"
        "lib/cmake"
        "lib/pkgconfig"
        "nix-support"
        "share/applications"
        "share/bash-completion"
        "share/doc"
        "share/fish"
        "share/gtk-doc"
        "share/icons"
        "share/info"
        "share/locale"
        "share/man"
        "share/zsh"
      ];
      example = ''[ "share/doc" "share/man" "lib/python3*/test" ]'';
      description = "What is left out of packages: patterns of the shell below a package, or its `usr`. Those that are given take the place of the default.";
    };
    config = {
      type = schema;
      default = { };
      example = ''{ network.address = "10.0.0.2/24"; }'';
      description = "More of the default configuration, with the last word; for an `app` also the key of its name: a key here replaces what comes of `args`, `env` and `cwd`. All of it can be overridden at launch.";
    };
    platforms = {
      type = listOf (oneOf platforms);
      default = platforms;
      example = ''[ "hw" ]'';
      description = "What the image boots on (${explain platforms}). What is left out is not in it.";
    };
    components = {
      type = listOf (oneOf components);
      default = components;
      example = ''[ "net" "time" ]'';
      description = "The kernel's components (${explain components}). ${builtins.concatStringsSep ", " (map (name: "`${name}`") needed)} are always there, since no program runs without them. What is left out is not in the image, and its system calls return `ENOSYS`, those for sockets too, as on a Linux without any.";
    };
    description = {
      type = nullOr (matching "[^\n]+" "one line of text");
      default = null;
      example = ''"Answers questions about the weather"'';
      description = "What `nix flake show` and `nix run` say of the image, as its `meta.description`; by default that it is the unikernel of this name.";
    };
    forward = {
      type = listOf (
        matching "((tcp|udp):)?([0-9.]+:)?${port}:${port}" "[tcp:|udp:][ADDRESS:]HOST:GUEST, with ports up to 65535"
      );
      default = [ ];
      example = ''[ "8080:80" ]'';
      description = "Ports that the runner forwards, unless it is told which: tcp or udp, the host's address (127.0.0.1) and port, the guest's port.";
    };
  };
  names = builtins.attrNames options;

  # The options as given, and the defaults of the others.
  filled = given: builtins.mapAttrs (_: option: option.default or null) options // given;

  # What images are for.
  here = "x86_64-linux";

  # What each option demands of the others.
  together =
    given:
    let
      all = filled given;
      has = name: all.${name} != null;
      hasProgram = has "program" || has "package";
      hasUserspace = hasProgram || has "rootfs";
      instead = builtins.filter has [
        "app"
        "kernel"
      ];
      said = builtins.filter (name: given ? ${name});
      list = names: builtins.concatStringsSep ", " (map (name: "`${name}`") names);
      when = condition: sentence: if condition then [ sentence ] else [ ];
      inBin = inside (mainProgram all);
      system = all.package.stdenv.hostPlatform.system or all.package.system or here;
      # Settings that name something in the store.
      named = builtins.filter (name: builtins.hasContext (builtins.toJSON all.${name})) [
        "args"
        "env"
        "config"
      ];
    in
    when (!hasUserspace && instead == [ ]) "there is nothing to run: give `program`, `package`, `rootfs`, `app` or `kernel`"
    ++ when (
      builtins.length instead > 1 || instead != [ ] && hasUserspace
    ) "${list (builtins.filter has [ "program" "package" "rootfs" ] ++ instead)} exclude each other: give what is to run once"
    ++ when (
      instead != [ ] && !hasUserspace && said [ "args" "env" "cwd" "files" ] != [ ]
    ) "${list (said [ "args" "env" "cwd" "files" ])} are for a program, which an image with ${list instead} has not; an app is told by `config`"
    ++ when (
      instead != [ ] && given ? components
    ) "`components` are our kernel's for programs; an image with ${list instead} has what that needs"
    ++ when (
      hasUserspace && !hasProgram && !(all.config ? programs)
    ) "`rootfs` alone does not say what to run: give `config.programs`, or `program`"
    ++ when (
      hasUserspace && !hasProgram && said [ "args" "env" "cwd" ] != [ ]
    ) "${list (said [ "args" "env" "cwd" ])} are for `program`; with `rootfs` alone say it in `config.programs`"
    ++ when (
      has "package" && !has "program" && mainProgram all == null
    ) "`package` does not say what its main program is (meta.mainProgram); name it: `program` = \"\${package}/bin/…\""
    ++ when (
      has "program" && types.isPackage all.program
    ) "`program` is a package; name the file in it, \"\${package}/bin/…\", or give `package` instead"
    ++ when (has "package" && system != here) "`package` is for ${system}, and images are for ${here}: take it from the packages for that"
    ++ when (
      instead != [ ] && !hasUserspace && said [ "closure" "exclude" ] != [ ]
    ) "${list (said [ "closure" "exclude" ])} are for a program, which an image with ${list instead} has not"
    ++ when (
      hasUserspace && !all.closure && named != [ ]
    ) "${list named} name something in the store, which is not in the image without `closure`: put the file there by `files`, and name it by its place"
    ++ when (hasProgram && mainProgram all != null && all.files ? ${inBin}) "`files.\"${inBin}\"` is where the program goes; choose another place"
    ++ when (all.platforms == [ ]) "`platforms` is empty, so that the image boots nowhere: there are ${list platforms}";

  # The file to run, or null.
  mainProgram =
    all:
    let
      inherit (all) package;
      name = package.meta.mainProgram or package.pname or null;
    in
    if all.program != null then
      all.program
    else if package == null || name == null then
      null
    else
      "${package}/bin/${name}";

  # The place of a program in the image. It is a name, and does not need the program to be there.
  inside = program: builtins.unsafeDiscardStringContext "/bin/${baseNameOf program}";
in
{
  inherit
    options
    inside
    filled
    mainProgram
    ;

  # What is wrong with the options `given`: sentences, none if all is well.
  problems =
    given:
    if !(builtins.isAttrs given) then
      [ "mkUnikernel takes an attribute set of options" ]
    else
      let
        unknown = builtins.filter (name: !(options ? ${name})) (builtins.attrNames given);
        missing = builtins.filter (name: !(options.${name} ? default) && !(given ? ${name})) names;
        wrong = builtins.concatMap (name: options.${name}.type.wrong name checked.${name}) (
          builtins.filter (name: given ? ${name}) names
        );
        # An app has a key of its name, of which it alone knows what it may say.
        checked =
          if builtins.isString (given.app or null) && builtins.isAttrs (given.config or null) then
            given // { config = removeAttrs given.config [ given.app ]; }
          else
            given;
        who = "mkUnikernel${if builtins.isString (given.name or null) then " ${given.name}" else ""}: ";
        first =
          map (
            name: "there is no option `${name}`; there are ${builtins.concatStringsSep ", " names}"
          ) unknown
          ++ map (name: "`${name}` is missing") missing
          ++ wrong;
      in
      # What the options demand of each other is asked when each by itself is right.
      map (sentence: who + sentence) (if first == [ ] then together given else first);
}
