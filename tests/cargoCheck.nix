# Runs a Cargo command over the whole workspace, for its success alone.
{ world }:
let
  workspace = import ../pkgs/lib/workspace.nix;
in
{
  name,
  command,
  rustflags ? "",
  tools ? [ ],
}:
world.cargo {
  inherit name tools;
  source = workspace.source {
    name = "workspace";
    only = workspace.members;
    extra = [
      "docs"
      "layers/clippy.toml"
      "rustfmt.toml"
    ];
  };
  env.RUSTFLAGS = rustflags;
  script = ''
    ${command}
    touch $out
  '';
}
