# The layers of the kernel and what each may stand on: the one table that the derivations follow.
{ world }:
let
  workspace = import ./workspace.nix;
  mkLayer = import ./mkLayer.nix { inherit world; };
  flags = import ./flags.nix;

  # What an image boots on unless it is made for less; named as the image's features are (pkgs/image/Cargo.toml).
  allPlatforms = [
    "xen"
    "hw"
  ];

  layers = {
    core = mkLayer {
      name = "core";
      members = [ "layers/2-core" ];
    };

    platform = mkLayer {
      name = "platform";
      members = workspace.under "layers/1-platform";
      below = [ layers.core ];
    };

    rumpuser = mkLayer {
      name = "rumpuser";
      members = [ "layers/3-rumpuser/interface" ];
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

    # With every platform; `image.for` makes one with some of them.
    image = imageFor allPlatforms;
  };

  # The composition root joins the layers into the kernel's ELF file: boot/kernel, and boot/kernel.debug with symbols.
  imageFor =
    platforms:
    mkLayer {
      name = "image";
      members = [ "pkgs/image" ];
      below = [
        layers.platform
        layers.rumpuser-core
        layers.base
      ];
      command = "rustc -p rumpkin-image${
        if builtins.sort builtins.lessThan platforms == builtins.sort builtins.lessThan allPlatforms then
          ""
        else
          " --no-default-features --features ${builtins.concatStringsSep "," platforms}"
      }";
      finalArguments = flags.kernelLink;
      install = ''
        mkdir -p $out/boot
        cp target/${flags.target}/release/rumpkin-image $out/boot/kernel.debug
        strip -o $out/boot/kernel $out/boot/kernel.debug
      '';
    }
    // {
      for = imageFor;
      platforms = allPlatforms;
    };
in
layers
