{
  description = "One image, deployed twice by NixOS";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { rumpkin, ... }:
    let
      image = rumpkin.lib.mkUnikernel {
        name = "pages";
        package = rumpkin.lib.packages.httpd;
        files."/srv/blue/index.html" = builtins.toFile "index.html" "blue\n";
        files."/srv/green/index.html" = builtins.toFile "index.html" "green\n";
        args = [
          "--root"
          "/srv/blue"
        ];
      };

      # What differs is bound at launch: to change it builds no image anew.
      instance = colour: port: {
        inherit image;
        args = [
          "--root"
          "/srv/${colour}"
          "--listen"
          "0.0.0.0:80"
        ];
        hostname = colour;
        memory = 32;
        ready = "tcp:80";
        interfaces = [
          {
            forwardPorts = [
              {
                host = port;
                guest = 80;
              }
            ];
          }
        ];
      };
    in
    {
      packages.x86_64-linux.default = image;

      # For a NixOS machine: `imports = [ pages.nixosModules.default ];`
      nixosModules.default = {
        imports = [ rumpkin.nixosModules.default ];
        services.unikernels = {
          blue = instance "blue" 8001;
          green = instance "green" 8002;
        };
      };

      checks.x86_64-linux = image.bootTest {
        port = 80;
        send = "GET / HTTP/1.0\r\n\r\n";
        answer = "blue";
        status = 0;
      };
    };
}
