{
  description = "A kernel of one's own, on Rumpkin's hypercalls";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { rumpkin, ... }:
    let
      # Platform and core are those of every image; what stands on them is in src/. No userspace, no system calls.
      image = rumpkin.lib.mkUnikernel {
        name = "stopwatch";
        kernel = rumpkin.lib.kernelFromC {
          name = "stopwatch";
          src = ./src;
          init = "stopwatch_init";
        };
        config.hostname = "stopwatch";
      };
    in
    {
      packages.x86_64-linux.default = image;

      apps.x86_64-linux.default = {
        type = "app";
        program = "${image.runner}/bin/run-stopwatch";
        inherit (image) meta;
      };

      checks.x86_64-linux = image.bootTest {
        memory = 16;
        expect = [
          "stopwatch: begins"
          "stopwatch: slept 50 ms"
        ];
      };
    };
}
