# The Cargo workspace as Nix sees it: its members, and source trees that hold only some of them.
let
  root = ../../.;
  manifest = builtins.readFile ../../Cargo.toml;
  inherit ((builtins.fromTOML manifest).workspace) members;

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
      packageName = member: (builtins.fromTOML (builtins.readFile (root + "/${member}/Cargo.toml"))).package.name;

      # A script that drops from the manifests what tests alone depend on, which a part of the workspace does not hold.
      withoutTests = ''
        for manifest in $(find . -mindepth 2 -name Cargo.toml); do
          awk '/^\[/ { tests = /^\[dev-dependencies/ } !tests' $manifest > manifest
          cat manifest > $manifest
          touch -d @1 $manifest
        done
      '';

      # A script that drops from the composition root's manifest the optional crates that this source does not hold, and what
      # features ask for them: Cargo wants to see each crate that a manifest names.
      withoutAbsent = ''
        root=pkgs/image/Cargo.toml
        if [ -e $root ]; then
          sed -n 's/^\([a-z-]*\) = { path = "\([^"]*\)" }$/\1 \2/p' Cargo.toml | while read -r crate path; do
            [ -e $path ] || echo $crate
          done > absent
          awk '
            FILENAME == "absent" { absent[$1]; next }
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
          others = builtins.filter (member: !(builtins.elem member only)) members;
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
          workspace = builtins.toFile "Cargo.toml" (
            builtins.replaceStrings (map (member: "  \"${member}\",\n") others) (map (_: "") others) manifest
          );
        in
        {
          inherit files workspace;
        };
    };

  # The same with one file less: what a change of that file would make different, this does.
  withoutFile = make;
in
make null
