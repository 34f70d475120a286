# What the hypervisor's process may do on its host: systemd's own judgement of the units, and a look at one that runs.
{ apps, patient, ... }:
{
  name = "unikernel-hardening";

  nodes.machine =
    { pkgs, ... }:
    {
      virtualisation.memorySize = 1536;
      virtualisation.emptyDiskImages = [ 16 ];
      networking.bridges.br0.interfaces = [ ];

      services.unikernels = {
        # A port that is for the privileged, a secret, and a disk.
        web = patient pkgs {
          app = "httpd";
          args = [
            "--root"
            "/run/credentials"
          ];
          ready = "tcp:80";
          interfaces = [
            {
              address = "10.0.2.15/24";
              forwardPorts = [
                {
                  host = 80;
                  guest = 80;
                }
              ];
            }
          ];
          credentials.token = "/etc/token";
          disks = [ { path = "/dev/vdb"; } ];
          groups = [ "disk" ];
        };
        bridged = patient pkgs {
          app = "httpd";
          autoStart = false;
          interfaces = [
            {
              type = "bridge";
              device = "br0";
              address = "10.1.0.2/24";
              vhost = true;
            }
          ];
        };
        emulated = patient pkgs {
          app = "httpd";
          autoStart = false;
          accel = "tcg";
        };
      };

      environment.etc.token = {
        text = "secret of the test";
        mode = "0600";
      };
    };

  testScript = ''
    machine.wait_for_unit("unikernel-web.service")

    with subtest("the exposure of each is at most 2.5"):
        for name in ["web", "bridged", "emulated"]:
            unit = f"unikernel-{name}.service"
            # The threshold is in tenths; above it the status is one of failure.
            print(machine.succeed(f"systemd-analyze security --no-pager --threshold=25 {unit}"))

    with subtest("the secret arrives, and is on no command line"):
        machine.succeed("curl -sSf --max-time 120 http://127.0.0.1/token | cmp - /etc/token")
        machine.fail("grep -qsa 'secret o[f]' /proc/[0-9]*/cmdline")

    main = machine.get_unit_property("unikernel-web.service", "MainPID")
    qemu = machine.succeed(f"cut -d ' ' -f 1 /proc/{main}/task/{main}/children").strip()

    with subtest("QEMU is under filters, a user of its own, and has one right"):
        status = dict(line.split(":\t", 1) for line in machine.succeed(f"cat /proc/{qemu}/status").splitlines())
        assert status["Seccomp"].strip() == "2", status
        assert status["NoNewPrivs"].strip() == "1", status
        # CAP_NET_BIND_SERVICE, for the port 80.
        assert int(status["CapEff"], 16) == 1 << 10, status
        assert int(status["CapBnd"], 16) == 1 << 10, status
        assert int(status["Uid"].split()[0]) > 60000, status

    with subtest("of the host's disks it sees its own alone"):
        machine.succeed("[ -b /dev/vda ] && [ -b /dev/vdb ]")
        machine.succeed(f"nsenter -t {qemu} -m -- sh -c '[ -b /dev/vdb ] && [ ! -e /dev/vda ]'")

    with subtest("it can write to its folder alone"):
        machine.succeed(f"nsenter -t {qemu} -m -- touch /var/lib/rumpkin/web/x")
        for place in ["/etc/x", "/root/x", "/var/x", "/home/x", "/nix/store/x"]:
            machine.fail(f"nsenter -t {qemu} -m -- touch {place}")

    with subtest("its control socket is for its owner and root"):
        assert machine.succeed("stat -c %a /run/rumpkin/web").strip() == "700"
        assert machine.succeed("stat -c %a /run/rumpkin/web/control").strip() == "600"
        machine.succeed("rumpkin status web")
        machine.fail("runuser -u nobody -- rumpkin status web")
  '';
}
