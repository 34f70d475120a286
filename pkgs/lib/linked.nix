# Lists of what is linked into a program, for the manifest of an image with it (pkgs/manifest reads them).
{ world }:
let
  flags = import ./flags.nix;

  # A line of such a list for { name; version; licence; purl; sum; }, of which the last three may be absent.
  line =
    component:
    let
      field = name: component.${name} or "-";
    in
    builtins.concatStringsSep "\t" [
      (field "purl")
      component.name
      component.version
      (field "licence")
      (field "sum")
      "-"
    ];
  inherit (builtins.fromTOML (builtins.readFile ../../rust-toolchain.toml)) toolchain;
  lines = components: builtins.concatStringsSep "" (map (component: "printf '%s\\n' '${line component}'\n") components);
in
{
  # The place of a package's list within it.
  place = "share/rumpkin/components";

  inherit lines;

  # What rustc links into everything.
  rust = [
    {
      name = "rust-std";
      version = toolchain.channel;
      licence = "MIT OR Apache-2.0";
      purl = "pkg:generic/rust-std@${toolchain.channel}";
    }
  ];

  # A script that writes into the file `list` the crates that Cargo links into what `select` selects, and `linked`, which the
  # compilers add. It runs in the workspace's folder.
  ofCargo =
    {
      select,
      list,
      linked,
    }:
    ''
      cargo tree --offline --no-dedupe --target ${flags.target} --edges normal,no-proc-macro --prefix none --format '{p}|{l}' ${select} |
        grep . | sort -u > crates-of-it
      {
        awk -v workspace=$PWD -f ${./linked.awk} Cargo.lock crates-of-it
        ${lines linked}
      } > ${list}
    '';
}
