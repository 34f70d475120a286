{
  description = "A C program as a unikernel";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { rumpkin, ... }:
    let
      program = rumpkin.lib.buildCProgram {
        name = "count";
        version = "1.0";
        src = ./src;
      };

      image = rumpkin.lib.mkUnikernel {
        name = "count";
        program = "${program}/bin/count";
        args = [ "words.txt" ];
        env.WHAT = "words";
        cwd = "/srv";
        files."/srv/words.txt" = builtins.toFile "words.txt" "one two\nthree\n";
        # It needs no network, so none is in the image.
        components = [
          "vfs"
          "erofs"
          "process"
        ];
        config.network.address = "none";
      };
    in
    {
      packages.x86_64-linux.default = image;

      apps.x86_64-linux.default = {
        type = "app";
        program = "${image.runner}/bin/run-count";
        inherit (image) meta;
      };

      checks.x86_64-linux = image.bootTest { expect = [ "3 words" ]; };
    };
}
