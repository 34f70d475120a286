# httpd as a domain of a NixOS machine that Xen runs, deployed by the module and asked from another machine.
#
# QEMU starts Xen itself, as a multiboot kernel, with NixOS's kernel and initramfs as its modules: the module of NixOS boots Xen by
# EFI from a disk, and to make that disk takes longer than all else here. It is emulated even where there is KVM, since a
# domain needs virtualisation within virtualisation, which is not to be had everywhere.
{ apps, patient, ... }:
let
  page = ../apps/httpd/www/index.html;
in
{
  name = "unikernel-xen-httpd";

  nodes.host =
    {
      config,
      lib,
      pkgs,
      ...
    }:
    let
      inherit (config.virtualisation) xen;
      system = config.system.build.toplevel;
      # What QEMU emulates of these makes dom0 (smap, smep), guests (rdtscp) or Xen's idle loop (monitor) fail.
      processor = "EPYC,-smap,-smep,-monitor,-rdtscp,+svm,+npt";
    in
    {
      imports = [ (import ./bridge.nix "xenbr0") ];

      virtualisation.xen = {
        enable = true;
        dom0Resources.memory = 2048;
        # Saving the FPU lazily corrupts dom0's memory under emulation.
        boot.params = [ "spec-ctrl=eager-fpu" ];
      };
      # NixOS wants both for Xen.
      boot.loader.systemd-boot.enable = true;
      boot.initrd.systemd.enable = true;
      # It restarts machines that are slow.
      systemd.services.xen-watchdog.wantedBy = lib.mkForce [ ];

      virtualisation.memorySize = 3072;
      virtualisation.directBoot.enable = false;
      virtualisation.qemu.options = [
        "-machine accel=tcg -cpu ${processor} -smp 1,maxcpus=2"
        "-kernel ${xen.boot.bios.path}"
        ''-append "${toString xen.boot.params}"''
        # A comma would end the module's command line.
        ''-initrd "${system}/kernel $(sed s/,/,,/g ${system}/kernel-params) init=${system}/init clocksource=xen,${config.virtualisation.directBoot.initrd}"''
      ];

      # Xen's console is /dev/hvc0, where the test driver's shell expects its own, which is the next one.
      systemd.services.shell-of-the-driver = {
        wantedBy = [ "backdoor.service" ];
        before = [ "backdoor.service" ];
        requires = [
          "dev-hvc0.device"
          "dev-hvc1.device"
        ];
        after = [
          "dev-hvc0.device"
          "dev-hvc1.device"
        ];
        serviceConfig.Type = "oneshot";
        script = "mv /dev/hvc1 /dev/hvc0";
      };

      services.unikernels.web = patient pkgs {
        app = "httpd";
        hypervisor = "xen";
        ready = "tcp:80";
        interfaces = [
          {
            type = "bridge";
            device = "xenbr0";
            mac = "00:16:3e:00:00:01";
            address = "192.168.1.101/24";
          }
        ];
        disks = [ { path = "data"; } ];
      };
      # An image file in the folder of the service.
      systemd.services.unikernel-web.preStart = "truncate -s 1M /var/lib/rumpkin/web/data";
    };

  nodes.client = { };

  testScript = ''
    unit = "unikernel-web.service"


    def serves() -> None:
        client.succeed("curl -sSf --max-time 120 http://192.168.1.101/ | cmp - ${page}")


    def domains() -> list[str]:
        return [line.split()[0] for line in host.succeed("xl list").splitlines()[1:]]


    start_all()
    host.wait_for_unit("multi-user.target", timeout=3600)
    host.wait_for_unit(unit, timeout=1800)
    client.wait_for_unit("multi-user.target")

    with subtest("it is a domain on the bridge, and others reach it"):
        assert domains() == ["Domain-0", "web"], domains()
        assert "00:16:3e:00:00:01" in host.succeed("xl network-list web")
        assert "xvda" in host.succeed("xl block-list web; xenstore-ls /local/domain/0/backend")
        serves()
        assert "web: ready" in host.succeed("rumpkin status web")

    with subtest("after its end by force it is started again"):
        host.succeed("xl destroy web")
        host.wait_until_succeeds(f"[ $(systemctl show -P NRestarts {unit}) = 1 ]")
        host.wait_for_unit(unit)
        serves()

    with subtest("it stops by itself when it is told to"):
        host.succeed(f"systemctl stop {unit}")
        assert host.get_unit_property(unit, "Result") == "success"
        assert host.get_unit_property(unit, "ExecMainStatus") == "0"
        assert domains() == ["Domain-0"], domains()
        host.succeed("journalctl --sync")
        lines = host.succeed(f"journalctl -u {unit} -o cat")
        assert "asked to stop: SIGTERM to httpd" in lines, lines
        assert '"GET / HTTP/1.1" 200' in lines, lines
  '';
}
