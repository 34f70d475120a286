{
  description = "A Rust package as a unikernel";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { rumpkin, ... }:
    let
      package = rumpkin.lib.buildRustProgram {
        name = "daytime";
        src = ./program;
      };

      # It answers whoever connects with the time (RFC 867).
      image = rumpkin.lib.mkUnikernel {
        name = "daytime";
        program = "${package}/bin/daytime";
        forward = [ "8013:13" ];
      };
    in
    {
      packages.x86_64-linux.default = image;

      apps.x86_64-linux.default = {
        type = "app";
        program = "${image.runner}/bin/run-daytime";
        inherit (image) meta;
      };

      checks.x86_64-linux = image.bootTest {
        port = 13;
        answer = " GMT";
      };
    };
}
