# The Cargo workspace as Nix sees it: its members, and source trees that hold only some of them.
let
  root = ../../.;
  manifestOf = member: builtins.fromTOML (builtins.readFile (root + "/${member}/Cargo.toml"));

  image = manifestOf "pkgs/image";

  # The folders at or below this one that hold a crate of the workspace.
  cratesIn =
    folder:
    let
      entries = builtins.readDir (root + "/${folder}");
      folders = builtins.filter (name: entries.${name} == "directory") (builtins.attrNames entries);
    in
    if !(entries ? "Cargo.toml") then
      builtins.concatMap (name: cratesIn "${folder}/${name}") folders
    else if manifestOf folder ? workspace then
      [ ]
    else
      [ folder ];
  members = builtins.concatMap cratesIn [
    "apps"
    "layers"
    "pkgs"
    "tests"
  ];

  # The workspace's Cargo.toml with these members.
  manifestWith =
    only:
    let
      parts = builtins.split "\nmembers = \\[[^]]*]" (builtins.readFile ../../Cargo.toml);
      lines = builtins.concatStringsSep ", " (map builtins.toJSON only);
    in
    assert builtins.length parts == 3;
    "${builtins.elemAt parts 0}\nmembers = [${lines}]${builtins.elemAt parts 2}";

  startsWith = prefix: string: builtins.substring 0 (builtins.stringLength prefix) string == prefix;
  relative = path: builtins.substring (builtins.stringLength (toString root) + 1) (-1) (toString path);

  # The workspace; the file `absent` counts as not there.
  make =
    absent:
    {
      inherit members withoutFile;

      # The members in one folder.
      under = folder: builtins.filter (startsWith "${folder}/") members;

      # The name of a member's package.
      packageName = member: (manifestOf member).package.name;

      # The optional crates of the composition root in one folder: platforms, components, apps without userspace.
      choices =
        folder: builtins.filter (name: startsWith "../../${folder}/" (image.dependencies.${name}.path or "")) (builtins.attrNames image.dependencies);

      # What the crate of such a choice says of itself, without its layer.
      description =
        name:
        let
          folder = builtins.substring 6 (-1) image.dependencies.${name}.path;
          inherit ((manifestOf folder).package) description;
        in
        builtins.elemAt (builtins.match "(Layer [0-9]: )?(.*)" description) 1;

      # What a feature of the composition root asks for.
      inherit (image) features;

      # A script that drops from the manifests what tests alone depend on, which a part of the workspace does not hold.
      withoutTests = ''
        for manifest in $(find . -mindepth 2 -name Cargo.toml); do
          awk '/^\[/ { tests = /^\[dev-dependencies/ } !tests' $manifest > manifest
          cat manifest > $manifest
          touch -d @1 $manifest
        done
      '';

      # A script that drops from the composition root's manifest the optional crates that this source does not hold, and what
      # features ask for them: Cargo wants to see each crate that a manifest names. Their features are left, for nothing.
      withoutAbsent = ''
        root=pkgs/image/Cargo.toml
        if [ -e $root ]; then
          {
            sed -n 's/^\([a-z-]*\) = { path = "\([^"]*\)" }$/\1 \2/p' Cargo.toml
            sed -n 's/^\([a-z-]*\) = {.*path = "\.\.\/\.\.\/\([^"]*\)".*/\1 \2/p' $root
          } | while read -r crate path; do
            [ -e $path ] || echo $crate
          done > absent
          awk '
            FILENAME == "absent" { absent[$1]; next }
            /^\[features]/ { print; for (crate in absent) print crate " = []"; next }
            /^default = / { next }
            /^[a-z-]* = .*optional = true/ && ($1 in absent) { next }
            { for (crate in absent) if (index($0, "\"dep:" crate "\"")) sub(/= .*/, "= []") }
            1
          ' absent $root > manifest
          cat manifest > $root
          touch -d @1 $root
        fi
      '';

      # A source tree with these members and nothing else of ours, so that what depends on another one cannot build.
      # `extra` names further files or folders.
      source =
        {
          name,
          only,
          extra ? [ ],
        }:
        let
          wanted = only ++ extra ++ [ "Cargo.lock" ];
          files = builtins.path {
            name = "${name}-files";
            path = root;
            filter =
              path: _:
              let
                here = relative path;
              in
              here != absent
              && builtins.any (
                want: here == want || startsWith "${want}/" here || startsWith "${here}/" want
              ) wanted;
          };
          workspace = builtins.toFile "Cargo.toml" (manifestWith only);
        in
        {
          inherit files workspace;
        };
    };

  # The same with one file less: what a change of that file would make different, this does.
  withoutFile = make;
in
make null
