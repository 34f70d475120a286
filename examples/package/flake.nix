{
  description = "A packaged program as a unikernel";

  inputs.rumpkin.url = "github:rumpkin/rumpkin";

  outputs =
    { rumpkin, ... }:
    let
      # `rumpkin.lib.packages` has some static programs. With nixpkgs as an input, any of its static ones will do, such as
      # `nixpkgs.legacyPackages.x86_64-linux.pkgsStatic.redis`.
      image = rumpkin.lib.mkUnikernel {
        name = "sum";
        package = rumpkin.lib.packages.busybox;
        args = [
          "awk"
          "-f"
          "/etc/sum.awk"
          "/srv/table"
        ];
        files = {
          "/etc/sum.awk" = ./sum.awk;
          "/srv/table" = ./table;
        };
        config.network.address = "none";
      };
    in
    {
      packages.x86_64-linux.default = image;

      apps.x86_64-linux.default = {
        type = "app";
        program = "${image.runner}/bin/run-sum";
        inherit (image) meta;
      };

      checks.x86_64-linux = image.bootTest {
        expect = [
          "apples 5"
          "pears 4"
        ];
      };
    };
}
