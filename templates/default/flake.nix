{
  description = "A Rust program as a unikernel";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { self, rumpkin, ... }:
    let
      system = "x86_64-linux";

      # An ordinary Linux program; nothing in it knows of unikernels.
      program = rumpkin.lib.buildRustProgram {
        name = "greeter";
        src = ./program;
      };

      # The program with just the operating system that it needs: one file that boots.
      image = rumpkin.lib.mkUnikernel {
        name = "greeter-image";
        program = "${program}/bin/greeter";
        env.GREETING = "Hello from a unikernel!";
        forward = [ "8080:80" ];
      };
    in
    {
      packages.${system} = {
        inherit program image;
        default = image;
      };

      # `nix run`: boots it; then `curl http://127.0.0.1:8080`.
      apps.${system}.default = {
        type = "app";
        program = "${image.runner}/bin/run-greeter-image";
        inherit (image) meta;
      };

      # `nix flake check`: boots it on each type of machine and asks it.
      checks.${system} = rumpkin.lib.bootTest {
        name = "greeter";
        inherit image;
        port = 80;
        send = "GET / HTTP/1.0\r\n\r\n";
        answer = "Hello from a unikernel!";
      };

      # For a NixOS machine: `imports = [ greeter.nixosModules.default ];`
      nixosModules.default = {
        imports = [ rumpkin.nixosModules.default ];
        services.unikernels.greeter = {
          inherit image;
          ready = "tcp:80";
          interfaces = [
            {
              forwardPorts = [
                {
                  address = "0.0.0.0";
                  host = 80;
                  guest = 80;
                }
              ];
            }
          ];
          openFirewall = true;
        };
      };
    };
}
