# Fuzzes each target of tests/fuzz for ten minutes, beginning with its corpus.
{ world }:
let
  workspace = import ../pkgs/lib/workspace.nix;

  fuzzer = world.cargo {
    name = "fuzzer";
    source = workspace.source {
      name = "workspace";
      only = workspace.members;
    };
    script = ''
      export CXX=${world.gxx}/bin/c++ CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=${world.gxx}/bin/c++
      cargo build --release --config tests/fuzz/settings.toml -p rumpkin-fuzz --features engine
      mkdir -p $out/bin
      cp target/x86_64-unknown-linux-gnu/release/fuzz $out/bin/
    '';
  };

  fuzz =
    target:
    world.run { name = "fuzz-${target}"; } ''
      export RUMPKIN_FUZZ=${fuzzer}/bin/fuzz RUMPKIN_FUZZ_WORK=$TMPDIR
      sh ${./fuzz}/run ${target} 600
      touch $out
    '';
in
builtins.listToAttrs (
  map (target: {
    name = "fuzz-${target}";
    value = fuzz target;
  }) (builtins.attrNames (builtins.readDir ./fuzz/corpus))
)
