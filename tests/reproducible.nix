# The same sources are always the same bytes: makes an image again, in another place and in other surroundings, and compares.
#
# The kernel is compiled again, all layers at once; the program too, if it is of this workspace; and the image is baked of
# files that were made in another order. Folder, home, user, time zone, locale and processors are not those of the first time.
{ world, imageTools }:
name: image:
let
  workspace = import ../pkgs/lib/workspace.nix;
  flags = import ../pkgs/lib/flags.nix;
  inherit (image) composition;
  member = "apps/${name}";
  ofWorkspace = image.program != null && builtins.elem member workspace.members;
in
world.cargo {
  name = "reproducible-${name}";
  source = workspace.source {
    inherit name;
    only = composition.members ++ (if ofWorkspace then [ member ] else [ ]);
  };
  tools = [
    world.erofs
    world.gcc
    imageTools
  ];
  script = ''
    ${workspace.withoutTests}
    ${workspace.withoutAbsent}
    cd ..
    mkdir -p another/place another/home
    mv ws another/place/workspace
    cd another/place/workspace
    export HOME=$PWD/../../home USER=somebody LOGNAME=somebody TZ=Pacific/Chatham LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8
    export SOURCE_DATE_EPOCH=1234567890 CARGO_BUILD_JOBS=1
    here="--remap-path-prefix=$PWD=/rumpkin"

    RUSTFLAGS="${flags.kernel} $here" cargo ${composition.command} --offline --release --target ${flags.target} -- ${composition.finalArguments}
    cmp target/${flags.target}/release/rumpkin-image ${composition}/boot/kernel.debug
    strip -o kernel target/${flags.target}/release/rumpkin-image

    ${
      if ofWorkspace then
        ''
          RUSTFLAGS="${flags.program} $here" cargo build -p ${workspace.packageName member} --bins --offline --release --target ${flags.target}
          cmp target/${flags.target}/release/${name} ${image.program}
        ''
      else
        ""
    }
    ${
      if image.rootfs == null then
        ''
          rumpkin-bake --kernel kernel --config ${image.config} -o again.image
        ''
      else
        ''
          mkdir files again
          cp -a ${image.rootfs.tree}/. files
          chmod -R u+w files
          (cd files && find . -type d | sort -r) | while read -r folder; do mkdir -p "again/$folder"; done
          (cd files && find . ! -type d | sort -r) | while read -r file; do cp -a "files/$file" "again/$file"; done
          ${image.rootfs.pack "again" "again.erofs"}
          rumpkin-bake --kernel kernel --rootfs again.erofs --config ${image.config} -o again.image
        ''
    }
    cmp again.image ${image}
    # Where it was built is not to be read in it; packages name each other.
    ! strings -n 8 ${if image.closure then "kernel" else "${image}"} | grep -E '/nix/store/|/build/|/tmp/nix' || exit 1
    sha256sum < again.image | tee $out
  '';
}
