# nginx: a web server and proxy, in one process.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "nginx";
  description = "nginx, a web server and proxy";
  package = packages.nginx;
  program = "${packages.nginx}/bin/nginx";
  args = [
    "-e"
    "stderr"
    "-c"
    "${./nginx.conf}"
  ];
  files."/srv/www" = ../httpd/www;
  forward = [ "8080:80" ];
}
// {
  test = {
    port = 80;
    memory = 64;
    client = ./client.sh;
  };
}
