# Every check, in the parts that `./x check` reports, in that order. To add one is a line here.
{
  world,
  layers,
  apps,
  tools,
  imageTools,
  module,
  lib,
  mkUnikernel,
  mkProgram,
  kernelFromC,
  formatter,
}:
let
  workspace = import ../pkgs/lib/workspace.nix;
  flags = import ../pkgs/lib/flags.nix;
  cargoCheck = import ./cargoCheck.nix { inherit world; };

  guest = import ./guest.nix { inherit world mkProgram; };
  boots = import ./boots.nix {
    inherit
      world
      layers
      apps
      tools
      guest
      mkUnikernel
      mkProgram
      kernelFromC
      ;
  };

  sensor = import ./sensor.nix {
    inherit
      world
      layers
      tools
      imageTools
      ;
  };

  userFlake = import ./userFlake.nix {
    rumpkin = {
      inherit lib;
      nixosModules.default = module;
    };
  };
  template = userFlake ../templates/default/flake.nix;
  inherit (import ./manifest.nix { inherit world; }) checkManifest;

  # Made again on every change; the others in the long checks.
  someApps = [
    "hello"
    "sensor"
  ];
  reproducible =
    names:
    builtins.listToAttrs (
      map (name: {
        name = "reproducible-${name}";
        value = import ./reproducible.nix { inherit world imageTools; } name apps.${name};
      }) names
    );

  packages = paths: toString (map (path: "-p ${workspace.packageName path}") paths);
  kernelSide = layers.image.members;
in
[
  {
    part = "style";
    checks = {
      rust-format = cargoCheck {
        name = "rust-format";
        command = "cargo fmt --all --check";
      };
      formatter = import ./formatter.nix { inherit world formatter; };
      shell-scripts = world.run {
        name = "shell-scripts";
        tools = [ world.shellcheck ];
      } "shellcheck -x -P SCRIPTDIR ${../x} ${../.ci/run} ${../worlds/debian/seed.sh} ${./guest/check} ${./tap-server/check} ${./fuzz/run} ${./bench/run} ${./systemd}/common ${./systemd}/on-* ${./systemd/init} ${./bench/xen.sh} ${./xen/watch} $(grep -l '^#!' ${./xen/dom0}/* ${./xen/domains}/*) ${../layers/1-platform/xen-sys/generate} ${../layers/3-rumpuser/c/generate}; touch $out";
      # A command behind a `!` ends no script, not even one that is to end at the first error: `|| exit 1` does.
      negations = world.run { name = "negations"; } ''
        for folder in ${./.} ${../pkgs} ${../worlds}; do
          find $folder -name '*.nix' -exec grep -nE '^ *! ' {} +
        done | grep -vE '\|\| (exit 1|break|\{.*exit 1; \})$' > blind || true
        cat blind
        [ ! -s blind ]
        touch $out
      '';
    };
  }
  {
    part = "lints";
    checks = {
      kernel-lints = cargoCheck {
        name = "kernel-lints";
        rustflags = flags.kernel;
        command = ''
          cargo clippy --offline --target ${flags.target} ${packages kernelSide} -- -D warnings
          ${builtins.concatStringsSep "" (
            map (app: ''
              cargo clippy --offline --target ${flags.target} --no-default-features --features hw,${app} ${packages [ "pkgs/image" "apps/${app}" ]} -- -D warnings
            '') layers.image.apps
          )}
          cargo clippy --offline --target ${flags.target} --no-default-features --features hw,tiny -p rumpkin-image -p rumpkin-kernel-tiny -p rumpuser-c -- -D warnings
        '';
      };
      host-lints = cargoCheck {
        name = "host-lints";
        # The documentation too, which needs the same of other crates.
        command = ''
          cargo clippy --offline --workspace --exclude rumpkin-image --all-targets -- -D warnings
          RUSTDOCFLAGS='-D warnings' cargo doc --offline --workspace --exclude rumpkin-image --no-deps
        '';
      };
    };
  }
  {
    part = "units";
    checks = {
      unit-tests = cargoCheck {
        name = "unit-tests";
        # Property tests begin with the same numbers each time; the long checks try others.
        command = "PROPTEST_RNG_SEED=0 cargo test --offline --workspace --exclude rumpkin-image";
      };
    };
  }
  {
    part = "layers";
    checks =
      import ./layers.nix { inherit world layers cargoCheck; }
      // (
        if world ? bindgen then
          {
            xen-abi-is-current = import ./xen-sys.nix { inherit world; };
            c-face-is-current = import ./rumpuser-c.nix { inherit world; };
          }
        else
          { }
      );
  }
  {
    part = "image";
    checks = {
      kernel-code = world.run {
        name = "kernel-code";
        tools = [ world.gcc ];
      } "objdump -d --no-show-raw-insn ${layers.image}/boot/kernel.debug | awk -f ${./kernel-code.awk} | tee $out";
      platform-choice = import ./platforms.nix { inherit world tools apps mkUnikernel; };
      inherit (sensor) app-without-userspace sensor-first-packet;
      another-kernel = import ./tiny.nix { inherit world layers apps; };
      component-choice = import ./components.nix { inherit world layers; };
      manifests = world.run { name = "manifests"; } ''
        ${checkManifest apps.httpd [ "kernel" "rumpkin-vfs" "smoltcp" "httpd" "tokio" "www" "rust-std" ]}
        ${checkManifest apps.redis [ "redis" ]}
        ${checkManifest apps.sensor [ "sensor" "rumpkin-net" ]}
        ${checkManifest apps.tiny [ "rumpkin-kernel-tiny" "rumpuser-c" ]}
        touch $out
      '';
    }
    // reproducible someApps;
  }
  {
    part = "distribution";
    checks = {
      derivations = import ./derivations.nix { inherit world; };
      verify = import ./verify.nix { inherit world tools apps; };
      elsewhere = import ./elsewhere.nix { inherit world; };
      place-of-builds = import ./place.nix { inherit world; };
      inherit (import ./options.nix { inherit world layers lib; }) options-refused options-page;
    }
    // import ./compilers.nix { inherit world; };
  }
  {
    part = "module";
    checks = import ./module {
      inherit
        world
        tools
        apps
        module
        template
        mkUnikernel
        ;
      deployment = userFlake ../examples/deployment/flake.nix;
    };
  }
  {
    part = "template";
    checks = import ./template.nix {
      inherit world;
      outputs = template;
    };
  }
  {
    part = "examples";
    checks = import ./examples.nix { inherit world userFlake checkManifest; };
  }
  {
    part = "services";
    checks = if world ? systemd then import ./systemd { inherit world tools apps mkUnikernel; } else { };
  }
  {
    part = "nixos";
    checks =
      if world ? nixosTest then
        import ../nixos-tests {
          inherit
            world
            module
            apps
            mkUnikernel
            ;
        }
      else
        { };
  }
  {
    part = "boots";
    checks = boots.boots;
  }
  {
    part = "guest";
    checks = {
      guest-on-host = world.run { name = "guest-on-host"; } "sh ${./guest/check} ${guest}/bin; touch $out";
    }
    // boots.guest;
  }
  {
    part = "apps";
    checks = boots.apps;
  }
  {
    part = "hostile";
    checks = boots.hostile;
  }
  {
    part = "xen";
    checks = boots.xen;
  }
  # Left out, unless `./x check --long` asks for it.
  {
    part = "long";
    checks =
      boots.long
      # The unit tests replay the corpora and try 50 mutants for each target.
      // import ./fuzz.nix { inherit world; }
      // reproducible (builtins.filter (name: !(builtins.elem name someApps)) (builtins.attrNames apps))
      // {
      properties = cargoCheck {
        name = "properties";
        command = ''
          for seed in $(seq 1 30); do
            echo "PROPTEST_RNG_SEED=$seed"
            PROPTEST_RNG_SEED=$seed cargo test --offline -q ${
              packages (builtins.filter (path: builtins.match "layers/(4-kernel|1-platform/xen)(/.*)?" path != null) layers.image.members)
            }
          done
        '';
      };
      # The unit tests run the first 200.
      tcp-seeds = cargoCheck {
        name = "tcp-seeds";
        command = "RUMPKIN_SEEDS=200..10000 cargo test --offline -p rumpkin-net two_kernels";
      };
    }
    // (if world ? other then { one-kernel = import ./worlds.nix { inherit world layers; }; } else { });
  }
]
