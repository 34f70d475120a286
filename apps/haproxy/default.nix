# HAProxy: a proxy and load balancer for TCP and HTTP.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "haproxy";
  description = "HAProxy, a proxy and load balancer";
  package = packages.haproxy;
  program = "${packages.haproxy}/bin/haproxy";
  args = [
    "-db"
    "-f"
    "${./haproxy.cfg}"
  ];
  forward = [ "8080:80" ];
}
// {
  test = {
    port = 80;
    memory = 128;
    client = ./client.sh;
    # SIGTERM is its hard stop.
    status = 143;
  };
}
