# Unikernels on a bridge of their host: one with an address of its own, one that gets it by DHCP from another machine, and one
# that asks the first of them.
{
  world,
  apps,
  mkUnikernel,
  patient,
  ...
}:
let
  page = ../apps/httpd/www/index.html;
  mac = "52:54:00:aa:00:02";

  fetch = mkUnikernel {
    name = "fetch";
    program = world.busybox;
    args = [
      "wget"
      "-q"
      "-O"
      "-"
      "http://192.168.1.101/"
    ];
  };

  onBridge = interface: [
    (
      interface
      // {
        type = "bridge";
        device = "br0";
      }
    )
  ];
in
{
  name = "unikernel-networking";

  nodes.host =
    { pkgs, ... }:
    {
      imports = [ (import ./bridge.nix "br0") ];
      virtualisation.memorySize = 2048;

      services.unikernels = {
        static = patient pkgs {
          app = "httpd";
          ready = "tcp:80";
          interfaces = onBridge {
            address = "192.168.1.101/24";
            mtu = 1400;
            vhost = true;
          };
        };
        dynamic = patient pkgs {
          app = "httpd";
          hostname = "leased";
          interfaces = onBridge {
            address = "dhcp";
            inherit mac;
          };
        };
        fetch = patient pkgs {
          image = fetch;
          autoStart = false;
          restart = "no";
          interfaces = onBridge { address = "192.168.1.103/24"; };
        };
      };
    };

  nodes.client = {
    networking.firewall.allowedUDPPorts = [ 67 ];
    services.dnsmasq = {
      enable = true;
      resolveLocalQueries = false;
      settings = {
        port = 0;
        interface = "eth1";
        dhcp-authoritative = true;
        dhcp-range = "192.168.1.150,192.168.1.159,255.255.255.0,1h";
        dhcp-host = "${mac},192.168.1.102";
        log-dhcp = true;
      };
    };
  };

  testScript = ''
    def serves(address: str) -> None:
        client.wait_until_succeeds(f"curl -sSf --max-time 120 http://{address}/ | cmp - ${page}")


    client.start()
    client.wait_for_unit("dnsmasq.service")
    host.start()
    host.wait_for_unit("unikernel-static.service")
    host.wait_for_unit("unikernel-dynamic.service")

    with subtest("both are on the bridge, each by a tap of its own"):
        ports = host.succeed("ls /sys/class/net/br0/brif").split()
        assert sorted(ports) == ["eth1", "rk-dynamic", "rk-static"], ports

    with subtest("another machine reaches both"):
        serves("192.168.1.101")
        serves("192.168.1.102")

    with subtest("the hardware address and the name are the ones that were given"):
        lease = client.succeed("cat /var/lib/dnsmasq/dnsmasq.leases")
        assert "${mac} 192.168.1.102 leased" in lease, lease

    with subtest("one reaches the other"):
        host.succeed("systemctl start unikernel-fetch.service")
        host.wait_until_succeeds("systemctl show -P ActiveState unikernel-fetch.service | grep -qx inactive")
        assert host.get_unit_property("unikernel-fetch.service", "Result") == "success"
        host.succeed("journalctl --sync")
        seen = host.succeed("journalctl -u unikernel-fetch.service -o cat")
        with open("${page}") as page:
            for line in page.read().splitlines():
                assert line.strip() in seen, f"{line} in {seen}"

    with subtest("what has stopped leaves no tap behind"):
        host.succeed("systemctl stop unikernel-dynamic.service")
        host.succeed("[ ! -e /sys/class/net/rk-dynamic ] && [ ! -e /sys/class/net/rk-fetch ]")
        serves("192.168.1.101")
  '';
}
