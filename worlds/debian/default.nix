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

  # A folder that is named in the environment, or null.
  named =
    variable:
    let
      path = builtins.getEnv variable;
    in
    if path == "" then null else /. + path;

  context = {
    inherit run seeds unpack;
  };
  unpack = import ./unpack.nix { inherit run seeds patchelf; };
  patchelf = import ./patchelf.nix { inherit run seeds; };
  gcc = import ./gcc.nix context;
  gxx = import ./gxx.nix context;
  rust = import ./rust.nix (context // { inherit gcc patchelf; });
  qemu = import ./qemu.nix context;
  erofs = import ./erofs.nix context;
  shellcheck = import ./shellcheck.nix context;
  bindgen = import ./bindgen.nix context;
  xen = import ./xen.nix context;
  wrk = import ./wrk.nix context;
  systemd = import ./systemd.nix context;
  nix = import ./nix.nix context;
  apart = import ./apart.nix (context // { inherit gcc; });
  debianPackage = import ./package.nix { inherit run seeds patchelf; };
  packages = import ./packages.nix { inherit run seeds debianPackage; };
in
{
  inherit
    system
    run
    gcc
    gxx
    rust
    qemu
    erofs
    shellcheck
    bindgen
    xen
    wrk
    systemd
    nix
    apart
    packages
    debianPackage
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

  # The licences are what the packages' copyright files say of these files.
  linked = {
    glibc = [
      (seeds.component "libc6-dev" "LGPL-2.1-or-later")
      (seeds.component "libgcc-12-dev" "GPL-3.0-or-later WITH GCC-exception-3.1")
    ];
    musl = [
      (seeds.component "musl-dev" "MIT")
      (seeds.component "libgcc-12-dev" "GPL-3.0-or-later WITH GCC-exception-3.1")
    ];
  };

  # There is no nixpkgs here. Somebody who has its library can name it, for impure evaluation.
  nixpkgsLib = named "NIXPKGS_LIB";
}
# Likewise the trees that the nixpkgs world is made of.
// (
  if builtins.all (name: named name != null) [ "NIXPKGS" "CRANE" "RUST_OVERLAY" ] then
    {
      other = import ../nixpkgs.nix {
        nixpkgs = named "NIXPKGS";
        crane.mkLib = pkgs: import (named "CRANE") { inherit pkgs; };
        rust-overlay.overlays.default = import (named "RUST_OVERLAY");
      };
    }
  else
    { }
)
