# What is built anew when something changes: by the paths of derivations alone, nothing is built. A file of the sources is
# taken away, which changes what a change of it would.
{ world }:
let
  workspace = import ../pkgs/lib/workspace.nix;

  # The layers, and an image for each choice, of some state of the sources.
  state =
    sources:
    let
      layers = import ../pkgs/lib/layers.nix {
        inherit world;
        workspace = sources;
      };
      mkProgram = import ../pkgs/lib/mkProgram.nix {
        inherit world;
        workspace = sources;
      };
      inherit (import ../pkgs/tools.nix { inherit mkProgram; }) tools imageTools;
      mkUnikernel = import ../pkgs/lib/mkUnikernel.nix {
        inherit
          world
          layers
          tools
          imageTools
          ;
        bootTest = null;
      };
      of =
        more:
        mkUnikernel (
          {
            name = "derivations";
            program = ./derivations.nix;
          }
          // more
        );
    in
    {
      derivations = builtins.mapAttrs (_: layer: layer.drvPath) layers // {
        program-image = (of { }).drvPath;
        sensor-image = (mkUnikernel { name = "derivations"; app = "sensor"; }).drvPath;
        tools = tools.drvPath;
      };
      inherit of;
    };
  now = state workspace;

  # The names of what is another derivation without `file`.
  changedBy =
    file:
    let
      inherit (state (workspace.withoutFile file)) derivations;
    in
    builtins.filter (name: derivations.${name} != now.derivations.${name}) (builtins.attrNames derivations);

  # Files, and what is to be built anew when one changes: in the order of the alphabet, and nothing else.
  expected = {
    "layers/0-vocabulary/src/lib.rs" =
      "base core image kernel kernel-tiny platform program-image rumpuser rumpuser-c rumpuser-core sensor sensor-image vocabulary";
    "layers/1-platform/virtio/src/lib.rs" = "image platform program-image sensor-image";
    "layers/2-core/src/lib.rs" = "core image platform program-image rumpuser-core sensor-image";
    "layers/3-rumpuser/interface/src/lib.rs" =
      "base image kernel kernel-tiny program-image rumpuser rumpuser-c rumpuser-core sensor sensor-image";
    "layers/4-kernel/fs/tmpfs/src/lib.rs" = "base image kernel program-image sensor sensor-image";
    "layers/4-kernel/vfs/src/lib.rs" = "base image kernel program-image sensor sensor-image";
    "layers/4-kernel-tiny/c/main.c" = "kernel-tiny";
    "layers/5-base/src/lib.rs" = "base image program-image";
    "apps/sensor/src/lib.rs" = "sensor sensor-image";
    "pkgs/image/src/main.rs" = "image program-image sensor-image";
    "pkgs/bake/src/lib.rs" = "program-image sensor-image tools";
    "pkgs/launcher/src/main.rs" = "tools";
    "docs/image.md" = "";
  };
  byFile = map (
    file:
    let
      changed = toString (changedBy file);
    in
    if !(builtins.pathExists (../. + "/${file}")) then
      "not ok ${file} is not there"
    else if changed == expected.${file} then
      "ok ${file}: ${changed}"
    else
      "not ok ${file}: expected ${expected.${file}}; changes ${changed}"
  ) (builtins.attrNames expected);

  # Choices of the user: what an image with them has in common with the plain one.
  plain = now.of { };
  layersOf = image: builtins.mapAttrs (_: part: part.drvPath) image.composition.parts;
  choice =
    name: more: sameKernel:
    let
      image = now.of more;
      holds =
        image.drvPath != plain.drvPath
        && layersOf image == layersOf plain
        && (image.composition.drvPath == plain.composition.drvPath) == sameKernel;
    in
    "${if holds then "ok" else "not ok"} ${name} makes the image anew, no layer${if sameKernel then ", and not the kernel" else ""}";
  byChoice = [
    (choice "components" { components = [ ]; } false)
    (choice "platforms" { platforms = [ "hw" ]; } false)
    (choice "env" { env.A = "b"; } true)
    (choice "files" { files."/a" = ./derivations.nix; } true)
  ];
in
import ./report.nix { inherit world; } "derivations" (byFile ++ byChoice)
