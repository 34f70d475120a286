{
  description = "A web site as a unikernel";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { rumpkin, ... }:
    let
      # The root file system begins with the folder root/; the web server comes on top.
      image = rumpkin.lib.mkUnikernel {
        name = "site";
        package = rumpkin.lib.packages.httpd;
        rootfs = ./root;
        args = [
          "--root"
          "/srv/www"
          "--listen"
          "0.0.0.0:8080"
        ];
        files."/srv/www/version.txt" = builtins.toFile "version.txt" "1\n";
        config = {
          hostname = "site";
          tracing.level = "info";
        };
        forward = [ "8080:8080" ];
      };
    in
    {
      packages.x86_64-linux.default = image;

      apps.x86_64-linux.default = {
        type = "app";
        program = "${image.runner}/bin/run-site";
        inherit (image) meta;
      };

      checks.x86_64-linux = image.bootTest {
        port = 8080;
        send = "GET /about.html HTTP/1.0\r\n\r\n";
        answer = "served from memory";
        status = 0;
      };
    };
}
