# The web server (apps/httpd) as a package.
{ mkProgram }:
mkProgram {
  name = "httpd-program";
  members = [ "apps/httpd" ];
}
// {
  pname = "httpd";
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package) version;
  meta = {
    mainProgram = "httpd";
    license.spdxId = "MIT OR Apache-2.0";
  };
}
