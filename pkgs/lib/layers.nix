# The layers of the kernel and what each may stand on: the one table that the derivations follow.
{
  world,
  workspace ? import ./workspace.nix,
}:
let
  mkLayer = import ./mkLayer.nix { inherit world workspace; };
  flags = import ./flags.nix;
  linked = import ./linked.nix { inherit world; };

  # What an image is made with unless less is asked for: what it boots on, and the kernel's components.
  allPlatforms = workspace.choices "layers/1-platform";
  allComponents = workspace.choices "layers/4-kernel";
  # Those without which no program runs: an image with one has them, whatever is chosen.
  neededComponents = builtins.filter (name: builtins.elem name workspace.features.base) allComponents;
  # Apps without userspace, each a layer that stands on the kernel itself.
  allApps = workspace.choices "apps";
  appLayers = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = mkLayer {
        inherit name;
        members = [ "apps/${name}" ];
        below = [ layers.kernel ];
      };
    }) allApps
  );

  layers = {
    vocabulary = mkLayer {
      name = "vocabulary";
      members = [ "layers/0-vocabulary" ];
    };

    core = mkLayer {
      name = "core";
      members = [ "layers/2-core" ];
      below = [ layers.vocabulary ];
    };

    platform = mkLayer {
      name = "platform";
      members = workspace.under "layers/1-platform";
      below = [ layers.core ];
    };

    rumpuser = mkLayer {
      name = "rumpuser";
      members = [ "layers/3-rumpuser/interface" ];
      below = [ layers.vocabulary ];
    };

    rumpuser-core = mkLayer {
      name = "rumpuser-core";
      members = [ "layers/3-rumpuser/core" ];
      below = [
        layers.core
        layers.rumpuser
      ];
    };

    kernel = mkLayer {
      name = "kernel";
      members = workspace.under "layers/4-kernel";
      below = [ layers.rumpuser ];
    };

    base = mkLayer {
      name = "base";
      members = [ "layers/5-base" ];
      below = [ layers.kernel ];
    };

    # The hypercalls for kernels in C, and a kernel in C on them.
    rumpuser-c = mkLayer {
      name = "rumpuser-c";
      members = [ "layers/3-rumpuser/c" ];
      below = [ layers.rumpuser ];
    };

    kernel-tiny = mkLayer {
      name = "kernel-tiny";
      members = [ "layers/4-kernel-tiny" ];
      below = [ layers.rumpuser-c ];
    };

    # With every platform and component; `image.for` makes one with some of them.
    image = imageFor { };
  }
  // appLayers;

  # The composition root joins the layers into the kernel's ELF file: boot/kernel, and boot/kernel.debug with symbols.
  # What is not chosen is not in it, and choosing compiles the one crate of the composition root anew.
  imageFor =
    {
      platforms ? allPlatforms,
      components ? allComponents,
      # An app without userspace, by its name, in place of layer 5 and the components that are chosen.
      app ? null,
      # Another kernel in place of layers 4 and 5: "tiny", or { archive; init; }, a static library and its first function.
      kernel ? null,
    }:
    let
      top =
        if kernel == "tiny" then
          {
            layer = layers.kernel-tiny;
            features = [ "tiny" ];
          }
        else if kernel != null then
          {
            layer = layers.rumpuser-c;
            features = [ "archive" ];
            arguments = " -Clink-arg=--undefined=${kernel.init} -Clink-arg=--defsym=rumpuser_kernel=${kernel.init} -Clink-arg=${kernel.archive}";
          }
        else if app == null then
          {
            layer = layers.base;
            features = [ "base" ] ++ builtins.filter (name: builtins.elem name (neededComponents ++ components)) allComponents;
          }
        else
          {
            layer = layers.${app};
            features = [ app ];
          };
      # What it stands on; the same layers, whatever stands on top.
      parts = {
        inherit (layers) platform rumpuser-core;
        top = top.layer;
      };
      finalArguments = flags.kernelLink + (top.arguments or "");
      # In one order, so that one choice is one derivation.
      features = builtins.sort builtins.lessThan (platforms ++ top.features);
      select = "-p rumpkin-image --no-default-features --features ${builtins.concatStringsSep "," features}";
      command = "rustc ${select}";
    in
    mkLayer {
      name = "image";
      members = [ "pkgs/image" ];
      below = [
        parts.platform
        parts.rumpuser-core
        parts.top
      ];
      inherit command finalArguments;
      install = ''
        mkdir -p $out/boot
        cp target/${flags.target}/release/rumpkin-image $out/boot/kernel.debug
        strip -o $out/boot/kernel $out/boot/kernel.debug
        ${linked.ofCargo {
          inherit select;
          list = "$out/components";
          linked = linked.rust;
        }}
      '';
    }
    // {
      inherit command finalArguments parts;
      for = imageFor;
      platforms = allPlatforms;
      components = allComponents;
      needed = neededComponents;
      inherit (workspace) description;
      apps = allApps;
    };
in
layers
