# The host's tools: rumpkin-bake, which makes images, and rumpkin, which runs them.
{ mkProgram }:
mkProgram {
  name = "rumpkin-tools";
  members = [
    "pkgs/bake"
    "pkgs/launcher"
    "pkgs/format"
  ];
  programs = 2;
}
