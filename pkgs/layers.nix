# The layers of the kernel and what each may stand on: the one table that the derivations follow.
{ world }:
let
  workspace = import ./workspace.nix;
  mkLayer = import ./mkLayer.nix { inherit world; };
  flags = import ./flags.nix;
in
rec {
  core = mkLayer {
    name = "core";
    members = [ "layers/2-core" ];
  };

  platform = mkLayer {
    name = "platform";
    members = workspace.under "layers/1-platform";
    below = [ core ];
  };

  rumpuser = mkLayer {
    name = "rumpuser";
    members = [ "layers/3-rumpuser/interface" ];
  };

  rumpuser-core = mkLayer {
    name = "rumpuser-core";
    members = [ "layers/3-rumpuser/core" ];
    below = [
      core
      rumpuser
    ];
  };

  kernel = mkLayer {
    name = "kernel";
    members = workspace.under "layers/4-kernel";
    below = [ rumpuser ];
  };

  base = mkLayer {
    name = "base";
    members = [ "layers/5-base" ];
    below = [ kernel ];
  };

  # The composition root joins them all into the kernel's ELF file: boot/kernel, and boot/kernel.debug with symbols.
  image = mkLayer {
    name = "image";
    members = [ "pkgs/image" ];
    below = [
      platform
      rumpuser-core
      base
    ];
    command = "rustc -p rumpkin-image";
    finalArguments = flags.kernelLink;
    install = ''
      mkdir -p $out/boot
      cp target/${flags.target}/release/rumpkin-image $out/boot/kernel.debug
      strip -o $out/boot/kernel $out/boot/kernel.debug
    '';
  };
}
