# httpd under QEMU, deployed by the module and asked from another machine: its start, restart, crash, upgrade and stop, and
# what the journal has of it.
{
  apps,
  mkUnikernel,
  patient,
  ...
}:
let
  page = ../apps/httpd/www/index.html;
  nextPage = ./www/index.html;
  next = import ./next.nix { inherit apps mkUnikernel; };
in
{
  name = "unikernel-qemu-httpd";

  nodes.server =
    { lib, pkgs, ... }:
    {
      virtualisation.memorySize = 1536;
      services.unikernels.web = patient pkgs {
        app = "httpd";
        ready = "tcp:80";
        interfaces = [
          {
            address = "10.0.2.15/24";
            gateway = "10.0.2.2";
            forwardPorts = [
              {
                address = "0.0.0.0";
                host = 80;
                guest = 80;
              }
            ];
          }
        ];
        openFirewall = true;
      };

      # The same with another environment, which is to wait for the next start.
      specialisation.waiting.configuration.services.unikernels.web = {
        env.COLOUR = "green";
        restartIfChanged = false;
      };
      specialisation.upgraded.configuration.services.unikernels.web = {
        app = lib.mkForce null;
        image = next;
      };
    };

  nodes.client = { };

  testScript = ''
    unit = "unikernel-web.service"


    def property(name: str) -> str:
        return server.get_unit_property(unit, name)


    def journal(options: str = "") -> str:
        server.succeed("journalctl --sync")
        return server.succeed(f"journalctl -u {unit} -o cat {options}")


    def serves(page: str) -> None:
        client.succeed(f"curl -sSf --max-time 120 http://server/ | cmp - {page}")


    def switch_to(specialisation: str) -> None:
        server.succeed(f"/run/booted-system/specialisation/{specialisation}/bin/switch-to-configuration test >&2")


    start_all()
    server.wait_for_unit(unit)
    client.wait_for_unit("multi-user.target")

    with subtest("it is ready when it answers, and others reach it"):
        assert property("StatusText").startswith("Ready after"), property("StatusText")
        serves("${page}")
        assert "web: ready" in server.succeed("rumpkin status web")

    with subtest("what is not there is an error, and both are in the journal"):
        client.fail("curl -sSf --max-time 120 http://server/absent")
        lines = journal("-p 6..6")
        assert '"GET / HTTP/1.1" 200' in lines, lines
        assert '"GET /absent HTTP/1.1" 404' in lines, lines

    with subtest("it can be restarted"):
        server.succeed(f"systemctl restart {unit}")
        serves("${page}")

    with subtest("after a crash it is started again"):
        before = property("MainPID")
        server.succeed(f"kill -9 $(cut -d ' ' -f 1 /proc/{before}/task/{before}/children)")
        server.wait_until_succeeds(f"[ $(systemctl show -P NRestarts {unit}) = 1 ]")
        server.wait_for_unit(unit)
        serves("${page}")
        assert property("MainPID") != before

    with subtest("a change that can wait does not restart it"):
        before = property("MainPID")
        switch_to("waiting")
        assert property("MainPID") == before
        assert "COLOUR=green" in server.succeed(f"systemctl cat {unit}")

    with subtest("an upgrade puts another image in its place"):
        switch_to("upgraded")
        server.wait_for_unit(unit)
        assert property("MainPID") != before
        serves("${nextPage}")
        assert "asked to stop: SIGTERM to httpd" in journal()

    with subtest("it stops by itself when it is told to"):
        server.succeed(f"systemctl stop {unit}")
        assert property("Result") == "success", property("Result")
        assert property("ExecMainStatus") == "0", property("ExecMainStatus")
        client.fail("curl -sSf --max-time 120 http://server/")
        server.fail("rumpkin status web")

    with subtest("it stops by itself with the machine, and starts with it"):
        server.succeed(f"systemctl start {unit}")
        server.shutdown()
        server.start()
        server.wait_for_unit(unit)
        last = server.succeed(f"journalctl -b -1 -u {unit} -o cat").splitlines()
        end = "\n".join(last[-20:])
        assert "asked to stop: SIGTERM to httpd" in end, end
        assert "Deactivated successfully" in end, end
        serves("${page}")
  '';
}
