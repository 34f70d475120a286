# Node.js: a web server in JavaScript.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "node";
  description = "Node.js with a web server in JavaScript";
  package = packages.node;
  program = "${packages.node}/bin/node";
  args = [ "/srv/server.js" ];
  env.NODE_ENV = "production";
  files = {
    "/srv/server.js" = ./server.js;
  }
  // packages.node.files or { };
  forward = [ "8080:80" ];
}
// {
  test = {
    port = 80;
    memory = 320;
    client = ./client.sh;
  };
}
