# The NixOS module: `services.unikernels.<name>` deploys a unikernel as a systemd service.
#
# `rumpkin unit` makes the unit itself, of a document that is put together here; so a deployment by NixOS and one by hand
# are the same. What NixOS adds (start at boot, the firewall, kernel modules) is set beside it.
{
  world,
  # This distribution's launcher and images.
  tools,
  apps,
}:
{
  # Two modules may both import this one.
  key = "rumpkin.nixosModules.default";
  _file = ./default.nix;
  imports = [
    (import ./options.nix { inherit tools apps; })
    ./assertions.nix
    (import ./services.nix { inherit world apps; })
  ];
}
