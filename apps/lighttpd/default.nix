# lighttpd: a web server.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "lighttpd";
  description = "lighttpd, a web server";
  package = packages.lighttpd;
  program = "${packages.lighttpd}/bin/lighttpd";
  args = [
    "-D"
    "-f"
    "${./lighttpd.conf}"
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
