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
  # One line, and the end.
  hello = mkUnikernel {
    name = "hello";
    program = program "hello";
  };

  # Readings by UDP, queries by TCP, and no userspace.
  sensor = mkUnikernel {
    name = "sensor";
    app = "sensor";
    forward = [ "7007:7" ];
  };

  # Another kernel, in C, which answers pings and datagrams to port 7.
  tiny = mkUnikernel {
    name = "tiny";
    kernel = kernels.tiny;
    forward = [ "udp:7007:7" ];
  };

  # A web server for the files in httpd/www.
  httpd = mkUnikernel {
    name = "httpd";
    package = packages.httpd;
    files."/srv/www" = ./httpd/www;
    forward = [ "8080:80" ];
  };
}
