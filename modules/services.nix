# The services: units made by `rumpkin unit`, and what the machine needs for them.
{ world, apps }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  unikernels = lib.filterAttrs (_: unikernel: unikernel.enable) config.services.unikernels;
  spec = import ./spec.nix { inherit lib pkgs apps; };
  hypervisor = unikernel: import (./. + "/${unikernel.hypervisor}.nix") { inherit lib; } unikernel;
  inherit (lib) concatMap attrValues;

  # A package with the unit.
  unit =
    name: unikernel:
    world.run
      {
        name = "unikernel-${name}-unit";
        env = {
          spec = builtins.toJSON (spec name unikernel);
          passAsFile = [ "spec" ];
        };
      }
      ''
        mkdir -p $out/lib/systemd/system
        ${unikernel.package}/bin/rumpkin unit $specPath > $out/lib/systemd/system/unikernel-${name}.service
      '';

  forwards = concatMap (
    unikernel: if unikernel.openFirewall then concatMap (interface: interface.forwardPorts) unikernel.interfaces else [ ]
  ) (attrValues unikernels);
  opened =
    protocol:
    map (forward: forward.host) (
      lib.filter (forward: forward.protocol == protocol && !lib.hasPrefix "127." forward.address) forwards
    );
in
{
  config = {
    systemd.packages = lib.mapAttrsToList unit unikernels;
    systemd.services = lib.mapAttrs' (
      name: unikernel:
      let
        inherit (hypervisor unikernel) requires;
      in
      lib.nameValuePair "unikernel-${name}" {
        # The unit is in a package; this is laid over it.
        overrideStrategy = "asDropin";
        wantedBy = lib.optional unikernel.autoStart "multi-user.target";
        inherit requires;
        after = requires;
        inherit (unikernel) restartIfChanged;
        # The launcher looks for the toolstack's programs there.
        path = lib.optionals (unikernel.hypervisor == "xen") [
          config.virtualisation.xen.package
          pkgs.util-linux
        ];
      }
    ) unikernels;
    boot.kernelModules = lib.unique (concatMap (unikernel: (hypervisor unikernel).modules) (attrValues unikernels));
    networking.firewall.allowedTCPPorts = opened "tcp";
    networking.firewall.allowedUDPPorts = opened "udp";
    environment.systemPackages = lib.unique (map (unikernel: unikernel.package) (attrValues unikernels));
  };
}
