# The same sources are always the same bytes: the kernel is built again, all layers at once and in another place, and
# an image is baked again from files that were made in another order.
{
  world,
  layers,
  apps,
}:
let
  workspace = import ../pkgs/workspace.nix;
  flags = import ../pkgs/flags.nix;
in
world.cargo {
  name = "reproducible";
  source = workspace.source {
    name = "layer-image";
    only = layers.image.members;
  };
  tools = [
    world.erofs
  ];
  script = ''
    ${workspace.withoutTests}
    ${workspace.withoutAbsent}
    cd ..
    mkdir -p another/place
    mv ws another/place/workspace
    cd another/place/workspace
    export RUSTFLAGS="${flags.kernel} --remap-path-prefix=$PWD=/rumpkin"
    cargo ${layers.image.command} --offline --release --target ${flags.target} -- ${flags.kernelLink}
    cmp target/${flags.target}/release/rumpkin-image ${layers.image}/boot/kernel.debug

    mkdir files again
    cp -R ${apps.hello.rootfs.tree}/. files
    chmod -R u+w files
    (cd files && find . -type d | sort -r) | while read -r folder; do mkdir -p again/$folder; done
    (cd files && find . -type f | sort -r) | while read -r file; do cp files/$file again/$file; done
    ${apps.hello.rootfs.pack "again" "again.erofs"}
    cmp again.erofs ${apps.hello.rootfs}
    touch $out
  '';
}
