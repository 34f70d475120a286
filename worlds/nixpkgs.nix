# The nixpkgs world: compilers and tools from nixpkgs, Rust from rust-overlay, Cargo by crane.
# What a world has to give is said in README.md.
inputs:
let
  system = "x86_64-linux";
  pkgs = import inputs.nixpkgs {
    inherit system;
    overlays = [ inputs.rust-overlay.overlays.default ];
  };
  inherit (builtins.fromTOML (builtins.readFile ../rust-toolchain.toml)) toolchain;
  place = import ./place.nix;

  rust = pkgs.rust-bin.stable.${toolchain.channel}.minimal.override {
    extensions = toolchain.components;
  };
  craneLib = (inputs.crane.mkLib pkgs).overrideToolchain (_: rust);
  vendor = lock: craneLib.vendorCargoDeps { cargoLock = lock; };

  compilers = import ./nixpkgs/compilers.nix {
    gcc = "${pkgs.stdenv.cc}/bin/gcc";
    staticLibraries = "${pkgs.glibc.static}/lib";
    muslGcc = "${pkgs.musl.dev}/bin/musl-gcc";
  };
  # Programs alone: the packages' setup hooks would add to what nixpkgs' builder sets already.
  gcc = pkgs.runCommand "gcc-and-musl-gcc" { } ''
    mkdir -p $out/bin
    for tool in ar as ld nm objcopy objdump ranlib readelf size strings strip; do
      ln -s ${pkgs.stdenv.cc.bintools}/bin/$tool $out/bin/
    done
    ln -s ${pkgs.gnumake}/bin/make $out/bin/
    ln -s ${pkgs.writeShellScript "gcc" compilers.gcc} $out/bin/gcc
    ln -s gcc $out/bin/cc
    ln -s ${pkgs.writeShellScript "musl-gcc" compilers.musl-gcc} $out/bin/musl-gcc
  '';

  # Of the toolstack what a dom0 in memory needs: a copy of some programs with their libraries, since the package refers to
  # firmware and interpreters.
  xenTools =
    pkgs.runCommand "xen-tools"
      {
        nativeBuildInputs = [
          pkgs.glibc.bin
          pkgs.patchelf
          pkgs.nukeReferences
        ];
        allowedReferences = [ "out" ];
      }
      ''
        mkdir -p $out/bin $out/lib
        for program in xl xenstored xenconsoled xenconsole xen-init-dom0 lsevtchn \
          xenstore xenstore-{chmod,exists,list,ls,read,rm,watch,write}; do
          for folder in bin sbin libexec/xen/bin; do
            [ ! -e ${pkgs.xen}/$folder/$program ] || cp -L ${pkgs.xen}/$folder/$program $out/bin/
          done
        done
        for program in $out/bin/*; do
          ldd $program | awk '/=>/ { print $3 } /ld-linux/ { print $1 }' | xargs -I {} cp -Lu {} $out/lib/
        done
        # glibc loads it when a thread ends.
        cp -L ${pkgs.stdenv.cc.cc.lib}/lib/libgcc_s.so.1 $out/lib/
        chmod -R u+w $out
        for file in $out/bin/* $out/lib/*; do
          nuke-refs -e $out $file
        done
        for program in $out/bin/*; do
          patchelf --set-interpreter $out/lib/ld-linux-x86-64.so.2 --set-rpath $out/lib $program
        done
        for library in $out/lib/*; do
          case $library in */ld-linux-* | */libc.so.*) ;; *) patchelf --set-rpath $out/lib $library ;; esac
        done
      '';

  # What gcc adds to static programs.
  libgcc = {
    name = "libgcc";
    inherit (pkgs.stdenv.cc.cc) version;
    licence = "GPL-3.0-or-later WITH GCC-exception-3.1";
  };

  run =
    {
      name,
      tools ? [ ],
      env ? { },
    }:
    script:
    pkgs.runCommand name (env // { nativeBuildInputs = tools; }) ''
      set -e -o pipefail
      export HOME=$TMPDIR
      ${script}
    '';

  cargo =
    {
      name,
      source,
      script,
      lock ? ../Cargo.lock,
      tools ? [ ],
      env ? { },
      below ? [ ],
      keepTarget ? false,
    }:
    craneLib.mkCargoDerivation (
      env
      // {
        pname = name;
        version = "0";
        src = source.files;
        nativeBuildInputs = tools;
        CARGO_INCREMENTAL = "0";

        cargoVendorDir = null;
        postUnpack = ''
          mv $sourceRoot ws
          sourceRoot=ws
          ln -s $(find ${vendor lock}/ -mindepth 1 -maxdepth 1 -not -name config.toml) vendor
        '';
        postPatch = ''
          ${place.insist}
          cp ${source.workspace} Cargo.toml
        '';

        # crane takes over one folder of compiled crates; the others are added by its own function.
        cargoArtifacts = if below == [ ] then null else builtins.head below;
        doNotLinkInheritedArtifacts = true;
        doInstallCargoArtifacts = keepTarget;
        doCompressAndInstallFullArchive = true;

        buildPhaseCargoCommand = ''
          ${builtins.concatStringsSep "\n" (
            map (lower: "inheritCargoArtifacts ${lower} target") (if below == [ ] then [ ] else builtins.tail below)
          )}
          # Rust links static programs by it, too. It comes first: rust-overlay's Rust brings nixpkgs' own compiler along.
          export PATH=${gcc}/bin:$PATH HOME=$TMPDIR
          export CARGO_HOME=$TMPDIR/cargo CARGO_NET_OFFLINE=true
          mkdir -p $CARGO_HOME
          cat > $CARGO_HOME/config.toml <<EOF
          [source.crates-io]
          replace-with = "vendor"
          [source.vendor]
          directory = "$TMPDIR/vendor"
          EOF
          set -o pipefail
          ${script}
        '';
        # Cargo's notes on the compiler are written in random order.
        installPhaseCommand = "rm -f target/.rustc_info.json";
        doCheck = false;
        # What is static or freestanding is not to be touched, and folders of crates need no inspection.
        dontStrip = true;
        dontPatchELF = true;
        dontFixup = true;
      }
    );
in
# `bindgen` and `systemd` are left out: this bindgen writes other text than the committed, and there is NixOS's test driver.
{
  name = "nixpkgs";
  inherit
    system
    run
    cargo
    rust
    gcc
    ;
  gxx = pkgs.stdenv.cc;
  qemu = pkgs.qemu_test;
  erofs = pkgs.erofs-utils;
  inherit (pkgs) shellcheck wrk nix;
  busybox = "${pkgs.pkgsStatic.busybox}/bin/busybox";
  packages = {
    inherit (pkgs.pkgsStatic) busybox;
    inherit (pkgs)
      dnsmasq
      haproxy
      lighttpd
      memcached
      mosquitto
      nginx
      redis
      sqlite
      ;
    java = pkgs.jdk_headless;
    lua = pkgs.lua5_4;
    node = pkgs.nodejs;
    python = pkgs.python3;
  };

  xen =
    let
      inherit (pkgs.linuxPackages) kernel;
    in
    {
      hypervisor = "${pkgs.xen.boot}/${pkgs.xen.multiboot}";
      tools = xenTools;
      # A name alone: nothing else of the package goes into dom0.
      helpers = builtins.unsafeDiscardStringContext "${pkgs.xen}/libexec/xen/bin";
      linux = pkgs.runCommand "linux-for-dom0" { } ''
        mkdir $out
        ln -s ${kernel.dev}/vmlinux $out/vmlinux
        ln -s ${kernel.modules or kernel}/lib/modules/${kernel.modDirVersion}/kernel $out/modules
      '';
    };
  nixpkgsLib = inputs.nixpkgs + "/lib";
  # Its parts are in the store where `./x seed` has been run.
  other = import ./debian { };

  linked = {
    glibc = [
      {
        name = "glibc";
        inherit (pkgs.glibc) version;
        licence = "LGPL-2.1-or-later";
      }
      libgcc
    ];
    musl = [
      {
        name = "musl";
        inherit (pkgs.musl) version;
        licence = "MIT";
      }
      libgcc
    ];
  };

  devShell = pkgs.mkShell {
    packages = [
      rust
      gcc
      pkgs.qemu_test
      pkgs.erofs-utils
      pkgs.shellcheck
    ];
    # Before the compiler that Rust brings along.
    shellHook = "export PATH=${gcc}/bin:$PATH";
  };

  # Builders without KVM may run a test, too: the driver's QEMU emulates there.
  nixosTest =
    test:
    (pkgs.testers.runNixOSTest test).overrideTestDerivation (old: {
      requiredSystemFeatures = pkgs.lib.remove "kvm" old.requiredSystemFeatures;
    });
}
