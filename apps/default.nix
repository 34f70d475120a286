# The applications that come with the distribution, as images.
{
  mkUnikernel,
  mkProgram,
  kernels,
  packages,
}:
let
  # A Rust program of this workspace.
  program =
    name:
    "${
      mkProgram {
        name = "${name}-program";
        members = [ "apps/${name}" ];
      }
    }/bin/${name}";
in
{
  hello = mkUnikernel {
    name = "hello";
    description = "Prints one line and ends";
    program = program "hello";
    closure = false;
  };

  sensor = mkUnikernel {
    name = "sensor";
    description = "Takes readings by UDP and queries by TCP, without userspace";
    app = "sensor";
    forward = [ "7007:7" ];
  };

  tiny = mkUnikernel {
    name = "tiny";
    description = "Another kernel, in C, which answers pings and datagrams to port 7";
    kernel = kernels.tiny;
    forward = [ "udp:7007:7" ];
  };

  httpd = mkUnikernel {
    name = "httpd";
    description = "A web server for a folder of files";
    package = packages.httpd;
    closure = false;
    files."/srv/www" = ./httpd/www;
    forward = [ "8080:80" ];
  };
}
# Programs that others wrote: a folder each, with an image and the client that tests it.
// builtins.listToAttrs (
  map
    (name: {
      inherit name;
      value = import ./${name} { inherit mkUnikernel packages; };
    })
    [
      "haproxy"
      "lighttpd"
      "memcached"
      "mosquitto"
      "nginx"
      "node"
      "python"
      "redis"
    ]
)
