# An image that a machine is upgraded to: httpd with another page, www/index.html.
{ apps, mkUnikernel }:
mkUnikernel {
  name = "httpd-next";
  inherit (apps.httpd) program;
  files."/srv/www" = ./www;
}
