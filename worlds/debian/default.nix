# The Debian world: a toolchain made of pinned Debian packages and the installed Rust, all of it named by hash.
# What a world has to give is said in ../README.md.
{ }:
let
  system = "x86_64-linux";
  seeds = import ./seeds.nix;

  # Runs a shell script in Nix's sandbox; `tools` are put on its PATH before busybox.
  run =
    {
      name,
      tools ? [ ],
      env ? { },
    }:
    script:
    derivation (
      env
      // {
        inherit name system;
        builder = "${seeds.busybox}/busybox";
        args = [
          "sh"
          "-euo"
          "pipefail"
          "-c"
          ''
            export HOME=$TMPDIR PATH=${builtins.concatStringsSep ":" (map (tool: "${tool}/bin") (tools ++ [ busyboxTools ]))}
            ${script}
          ''
        ];
      }
    );

  busyboxTools = derivation {
    inherit system;
    name = "busybox-tools";
    builder = "${seeds.busybox}/busybox";
    args = [
      "sh"
      "-euc"
      "${seeds.busybox}/busybox mkdir -p $out/bin; ${seeds.busybox}/busybox --install -s $out/bin"
    ];
  };

  context = {
    inherit run seeds unpack;
  };
  unpack = import ./unpack.nix { inherit run seeds patchelf; };
  patchelf = import ./patchelf.nix { inherit run seeds; };
  gcc = import ./gcc.nix context;
  rust = import ./rust.nix (context // { inherit gcc patchelf; });
  qemu = import ./qemu.nix context;
  erofs = import ./erofs.nix context;
  shellcheck = import ./shellcheck.nix context;
  bindgen = import ./bindgen.nix context;
  xen = import ./xen.nix context;
  wrk = import ./wrk.nix context;
  systemd = import ./systemd.nix context;
in
{
  inherit
    system
    run
    gcc
    rust
    qemu
    erofs
    shellcheck
    bindgen
    xen
    wrk
    systemd
    ;
  name = "debian";
  busybox = "${seeds.busybox}/busybox";
  # Nix starts a shell for development by bash alone.
  devShell = derivation {
    inherit system;
    name = "rumpkin-shell";
    outputs = [ "out" ];
    builder = "${import ./bash.nix context}/bin/bash";
    args = [
      "-c"
      "echo > $out"
    ];
    PATH = builtins.concatStringsSep ":" (
      map (tool: "${tool}/bin") [
        rust
        gcc
        qemu
        erofs
        shellcheck
        busyboxTools
      ]
    );
  };

  cargo = import ./cargo.nix { inherit run seeds rust; };

  inherit seeds;

  # There is no nixpkgs here. Somebody who has its library can name it, for impure evaluation.
  nixpkgsLib =
    let
      path = builtins.getEnv "NIXPKGS_LIB";
    in
    if path == "" then null else /. + path;
}
