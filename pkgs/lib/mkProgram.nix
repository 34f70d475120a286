# Builds programs of this workspace that are not part of the kernel: host tools and applications. They are static,
# so that the same file runs in an image and on any Linux.
{
  world,
  workspace ? import ./workspace.nix,
}:
let
  flags = import ./flags.nix;
  linked = import ./linked.nix { inherit world; };
in
{
  name,
  # Members of the workspace: the programs first, then what they depend on.
  members,
  # How many of them are programs.
  programs ? 1,
  rustflags ? flags.program,
}:
let
  packages = map workspace.packageName members;
  select = builtins.concatStringsSep " " (
    map (index: "-p ${builtins.elemAt packages index}") (builtins.genList (index: index) programs)
  );
in
world.cargo {
  inherit name;
  source = workspace.source {
    inherit name;
    only = members;
  };
  env.RUSTFLAGS = rustflags;
  script = ''
    cargo build ${select} --bins --offline --release --target ${flags.target}
    mkdir -p $out/bin
    for program in target/${flags.target}/release/*; do
      [ ! -f $program ] || [ ! -x $program ] || cp $program $out/bin/
    done
    mkdir -p $out/share/rumpkin
    ${linked.ofCargo {
      inherit select;
      list = "$out/${linked.place}";
      linked = linked.rust ++ world.linked.glibc;
    }}
  '';
}
