# The page docs/mkUnikernel.md, made of the options (options.nix).
{ options }:
let
  show =
    value:
    if value == { } then
      "{ }"
    else if value == [ ] then
      "[ ]"
    else if builtins.isList value then
      "[ ${toString (map builtins.toJSON value)} ]"
    else
      builtins.toJSON value;

  section = name: ''
    ### `${name}`
    ${options.${name}.description}

    - Type: ${options.${name}.type.description}
    - ${if options.${name} ? default then "Default: `${show options.${name}.default}`" else "Required"}
    - Example: `${options.${name}.example}`
  '';
in
''
  # mkUnikernel

  `rumpkin.lib.mkUnikernel { … }` makes a bootable image of a program. This page is made of the options themselves; a first image
  is in [your program in five minutes](your-program.md), and more of them in [examples](../examples/README.md).

  ```nix
  rumpkin.lib.mkUnikernel {
    name = "cache";
    package = pkgs.redis;
    args = [ "''${./redis.conf}" "--bind" "0.0.0.0" ];
    files."/srv/motd" = ./motd;
    forward = [ "6379:6379" ];
  }
  ```

  The program comes from the package unmodified, with all that it needs to run, as Nix knows it: interpreter, libraries, what its files
  name in the store. It is below `/nix/store` as it was, and `/bin/redis-server` leads to it. So does what `args`, `env`, `config` and
  `files` name there. `closure = false` puts a single static file into `/bin`, and nothing else.

  What is to run is given once: as `program` or `package`, with or without a `rootfs`; as a `rootfs` whose program `config.programs`
  names; or, without userspace, as `app` or `kernel`. A wrong option stops the evaluation with a sentence that names it, such as

      mkUnikernel cache: `args[1]` is a number; it must be a string: "80"

  A `program` that is not in its package, or no ELF file for x86-64, stops the build. A script is none: where a package has its program
  wrapped in one, give the file that the script runs, often `bin/.NAME-wrapped`, and set in `env` what the script sets.

  ## Options
  ${builtins.concatStringsSep "\n" (map section (builtins.attrNames options))}
  ## The result

  The result is the image: one file, which any monitor that boots PVH kernels takes ([image](image.md)). Its attributes:

  | attribute | what it is |
  |---|---|
  | `runner` | a folder with `bin/run-NAME`, which boots the image and takes the [launcher](launcher.md)'s options |
  | `bootTest` | a function like `lib.bootTest`, for this image: `image.bootTest { port = 80; answer = "Hello"; }` |
  | `manifest` | what the image is made of: a [CycloneDX](reproducibility.md#the-manifest) 1.6 document |
  | `sizes` | what its bytes are, in JSON: the kernel's code, constants, data and zeroes, also by layer and crate; the root file system, and what each package has in it and left out |
  | `meta` | its `description`, for the apps of a flake |
  | `program` | the program's file, or null |
  | `rootfs`, `config` | the root file system (EROFS), the default configuration: the files that were baked in |
  | `kernel` | the kernel's file, before baking |
  | `composition` | the derivation of the kernel; `composition.parts` are the layers that it stands on |

  ## To build programs

  `lib.buildRustProgram { name; src; rustflags; }` builds the programs of a Rust package, or workspace, statically, with the pinned
  Rust. `src` holds Cargo.toml and Cargo.lock; the result has `bin/`. In the nixpkgs world the crates are fetched; in the
  Debian world those that this workspace does not use are put into the store by `nix-store --add-fixed sha256 NAME-VERSION.crate`.

  `lib.buildCProgram { name; src; libc; cflags; version; }` builds the .c files in the folder `src` into `bin/NAME`, statically, on
  `musl` or `glibc`.

  `lib.packages` has programs that are there in every world: those of the [catalogue](apps.md), `busybox`, and `httpd`, the web server of `apps/httpd`.

  `lib.debianPackage { name; version; licence; debs; program; }`, in the Debian world alone, makes such a package of .deb files (`debs`; those that the
  program depends on must be among them), with `program`, a path such as `usr/bin/redis-server`, as the main one. Programs and libraries find
  each other wherever the package lies; one that lacks a library stops the build with its name.

  `lib.kernels.tiny`, `lib.kernelFromC { name; src; init; cflags; }` and `lib.kernelFromStaticLibrary { archive; init; }` are for
  `kernel` ([hypercalls](rumpuser.md)).

  ## To boot them in checks

  `lib.bootTest { name; image; … }`, or `image.bootTest { … }`, makes a derivation per type of machine (`machines`) that boots the
  image in emulation:

  | argument | meaning |
  |---|---|
  | `port`, `send`, `answer` | a TCP port of the guest that must answer `send` with something that contains `answer`; then the guest is stopped |
  | `args`, `expect` | without `port`: the program's arguments, and pieces of console lines that must come, in this order |
  | `status` | the exit status that is right: 0 unless said otherwise, and with `port` 143, that of a program which SIGTERM ends |
  | `memory` | MiB, 64 by default |
  | `machines` | `[ "pc" "q35" "microvm" ]` |

  [`nixosModules.default`](module.md) deploys images with NixOS; [`rumpkin unit`](launcher.md#as-a-service) does without.
''
