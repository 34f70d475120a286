# The layer rule: as Cargo resolves it, and as the derivations enforce it.
{
  world,
  layers,
  cargoCheck,
}:
let
  workspace = import ../pkgs/lib/workspace.nix;
  flags = import ../pkgs/lib/flags.nix;

  # What each layer's own build compiled.
  compiledHere = map (layer: "${layer}/compiled-here") (builtins.attrValues layers);
in
{
  layer-rule = cargoCheck {
    name = "layer-rule";
    command = ''
      cargo tree --offline --workspace --depth 1 --prefix depth --edges normal,build --format ' {p}' |
        awk -v top=$PWD -v apps='${toString layers.image.apps}' -f ${./layer-rule.awk}
    '';
  };

  # A crate of core that asks for the kernel: the source of its layer has no such thing.
  no-upward-dependency = world.cargo {
    name = "no-upward-dependency";
    source = workspace.source {
      name = "layer-core";
      only = [
        "layers/0-vocabulary"
        "layers/2-core"
      ];
    };
    env.RUSTFLAGS = flags.kernel;
    script = ''
      echo 'rumpkin-spine.workspace = true' >> layers/2-core/Cargo.toml
      if cargo build --offline --target ${flags.target} > log 2>&1; then
        echo 'core was built on the kernel, which is above it'
        exit 1
      fi
      grep 'layers/4-kernel/spine/Cargo.toml' log
      cp log $out
    '';
  };

  # What stands above the platforms does not know of them, by whatever name.
  no-platform-above = world.run { name = "no-platform-above"; } ''
    words='xen|virtio|qemu|kvm|microvm|pvh|pvclock|ioapic|rumpkin[-_]hw'
    ! grep -rniE "$words" ${../layers/0-vocabulary} ${../layers/3-rumpuser} ${../layers/4-kernel} ${../layers/5-base} ${../apps} || exit 1
    # The words are right if they are found where they belong.
    grep -rqiE "$words" ${../layers/1-platform}
    touch $out
  '';

  # Every crate is compiled in one layer only. (bitflags and the like may be compiled in two that do not stand on
  # each other; ours may not.)
  compiled-once = world.run { name = "compiled-once"; } ''
    for list in ${toString compiledHere}; do
      grep -e '^rump' ${toString (map (app: "-e '^${app} '") layers.image.apps)} $list || { echo "$list names no crate of ours"; exit 1; }
    done > lists
    sort lists | uniq -d > twice
    ! grep . twice || exit 1
    sort lists > $out
  '';
}
