# The host's tools: rumpkin, which runs images, with rumpkin-bake, which makes them; and apart from them what the making of
# images needs, so that a change of the launcher makes no image anew.
{ mkProgram }:
{
  tools = mkProgram {
    name = "rumpkin-tools";
    members = [
      "pkgs/bake"
      "pkgs/launcher"
      "pkgs/format"
      "layers/4-kernel/configuration"
    ];
    programs = 2;
  }
  // {
    meta = {
      description = "Runs, inspects and makes images";
      mainProgram = "rumpkin";
    };
  };

  imageTools = mkProgram {
    name = "rumpkin-image-tools";
    members = [
      "pkgs/bake"
      "pkgs/manifest"
      "pkgs/format"
      "layers/4-kernel/configuration"
    ];
    programs = 2;
  };
}
