# The document that `rumpkin unit` makes a service of (docs/launcher.md, "As a service"), for one unikernel.
{ lib, pkgs, apps }:
name: unikernel:
let
  hypervisor = import (./. + "/${unikernel.hypervisor}.nix") { inherit lib; } unikernel;

  # Those of all interfaces, of which there is one at most.
  ofInterfaces = lib.foldl' (
    all: interface:
    all
    // lib.filterAttrs (_: value: value != null && value != [ ]) {
      inherit (interface) mac address gateway;
      nameserver = interface.nameservers;
    }
  ) { } unikernel.interfaces;
in
{
  inherit name;
  description = "Unikernel ${name}";
  image = if unikernel.image != null then "${unikernel.image}" else "${apps.${unikernel.app}}";
  launcher = "${unikernel.package}/bin/rumpkin";
  ip = "${pkgs.iproute2}/bin/ip";
  options =
    unikernel.extraArgs
    // {
      inherit (unikernel) memory;
      env = lib.mapAttrsToList (variable: value: "${variable}=${value}") unikernel.env;
      disk = map (disk: "${disk.path}${lib.optionalString disk.readOnly ":ro"}") unikernel.disks;
    }
    // lib.optionalAttrs (unikernel.hostname != null) { inherit (unikernel) hostname; }
    // lib.optionalAttrs (unikernel.ready != null) { inherit (unikernel) ready; }
    // ofInterfaces
    // hypervisor.options;
  arguments = unikernel.args;
  inherit (unikernel)
    credentials
    groups
    restart
    startTimeout
    stopTimeout
    cpuAffinity
    ;
  stateDirectory = lib.removePrefix "/var/lib/" unikernel.stateDir;
}
