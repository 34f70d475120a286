# The guest test programs: static ELF files in bin/.
{ world, mkProgram }:
let
  rust = mkProgram {
    name = "guest-tests-rust";
    members = [ "tests/guest/rust" ];
  };
in
world.run
  {
    name = "guest-tests";
    tools = [ world.gcc ];
  }
  ''
    make -C ${./guest} OUT=$out/bin
    cp ${rust}/bin/* $out/bin/
  ''
