# What a unikernel's options mean under Xen, as options of `rumpkin run` (docs/launcher.md).
{ lib }:
unikernel: {
  options = {
    hypervisor = "xen";
  }
  // lib.foldl' (all: interface: all // { bridge = interface.device; }) { } unikernel.interfaces;

  # Modules of the host's kernel.
  modules = lib.optional (unikernel.disks != [ ]) "loop";

  # Units that it needs: those of the toolstack.
  requires = [
    "xenstored.service"
    "xenconsoled.service"
  ];
}
