# What a unikernel's options mean under QEMU, as options of `rumpkin run` (docs/launcher.md).
{ lib }:
unikernel: {
  options = {
    inherit (unikernel) machine accel;
    qemu = "${unikernel.qemu}/bin/qemu-system-x86_64";
    forward = lib.concatMap (
      interface:
      map (
        {
          protocol,
          address,
          host,
          guest,
        }:
        "${protocol}:${address}:${toString host}:${toString guest}"
      ) interface.forwardPorts
    ) unikernel.interfaces;
  }
  // lib.foldl' (
    all: interface:
    all
    // lib.optionalAttrs (interface.type != "user") { ${interface.type} = interface.device; }
    // lib.optionalAttrs (interface.mtu != null) { inherit (interface) mtu; }
    // lib.optionalAttrs interface.vhost { vhost = true; }
  ) { } unikernel.interfaces;

  # Modules of the host's kernel.
  modules =
    lib.optional (lib.any (interface: interface.type != "user") unikernel.interfaces) "tun"
    ++ lib.optional (lib.any (interface: interface.vhost) unikernel.interfaces) "vhost_net";

  # Units that it needs.
  requires = [ ];
}
