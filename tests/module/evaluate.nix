# The module's configuration for the unikernels of a test, with stand-ins for what NixOS gives.
{
  lib,
  world,
  tools,
  apps,
  module,
}:
{
  # Whether the machine is a Xen host.
  xen ? false,
  # The machine's system.
  system ? world.system,
  unikernels,
  # Further modules.
  modules ? [ ],
}:
let
  inherit (lib) mkOption types;
  open = mkOption { type = types.raw; };
  list = mkOption {
    type = types.listOf types.raw;
    default = [ ];
  };

  stubs = {
    options = {
      assertions = list;
      systemd.packages = list;
      systemd.services = mkOption {
        type = types.attrsOf types.raw;
        default = { };
      };
      boot.kernelModules = list;
      networking.firewall.allowedTCPPorts = list;
      networking.firewall.allowedUDPPorts = list;
      environment.systemPackages = list;
      virtualisation.xen.enable = open;
      virtualisation.xen.package = open;
    };
    config.virtualisation.xen = lib.mapAttrs (_: lib.mkDefault) {
      enable = xen;
      package = "/xen";
    };
  };

  pkgs = {
    stdenv.hostPlatform = { inherit system; };
    qemu_kvm = world.qemu;
    qemu_test = world.qemu;
    writeText =
      name: text:
      world.run {
        inherit name;
        env = {
          inherit text;
          passAsFile = [ "text" ];
        };
      } "cp $textPath $out";
    iproute2 = "/iproute2";
    util-linux = "/util-linux";
  };

  evaluated = lib.evalModules {
    modules = [
      stubs
      module
      {
        _module.args = { inherit pkgs; };
        services.unikernels = unikernels;
      }
    ]
    ++ modules;
  };
in
evaluated
// {
  # The messages of the assertions that do not hold.
  failures = map (one: one.message) (lib.filter (one: !one.assertion) evaluated.config.assertions);
  spec = import ../../modules/spec.nix { inherit lib pkgs apps; };
}
