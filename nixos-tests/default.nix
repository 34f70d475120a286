# Tests of the module on whole NixOS machines, by NixOS's own test driver (README.md).
{
  world,
  module,
  apps,
  mkUnikernel,
}:
let
  # A unikernel for machines that may themselves be emulated: time, the QEMU that the driver has anyway, and a kernel that
  # says what it does.
  patient =
    pkgs: unikernel:
    {
      qemu = pkgs.qemu_test;
      extraArgs.config = "${pkgs.writeText "info.json" (builtins.toJSON { tracing.level = "info"; })}";
      startTimeout = 900;
      stopTimeout = 180;
    }
    // unikernel;

  test =
    file:
    world.nixosTest {
      imports = [
        (import file {
          inherit
            world
            apps
            mkUnikernel
            patient
            ;
        })
      ];
      defaults.imports = [ module ];
      # Three hours: without KVM a test takes up to one.
      globalTimeout = 3 * 60 * 60;
    };
in
{
  nixos-qemu-httpd = test ./qemu-httpd.nix;
  nixos-xen-httpd = test ./xen-httpd.nix;
  nixos-networking = test ./networking.nix;
  nixos-hardening = test ./hardening.nix;
}
