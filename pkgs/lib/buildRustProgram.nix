# Builds somebody's own Rust package into a static program: one that runs in an image and on any Linux alike.
#
#   buildRustProgram { name = "greeter"; src = ./program; }
#
# The result has the package's programs in bin/. The package brings a Cargo.lock; its crates come from the world.
{ world }:
let
  flags = import ./flags.nix;
  linked = import ./linked.nix { inherit world; };
in
{
  name,
  # The folder with Cargo.toml and Cargo.lock.
  src,
  # More for rustc.
  rustflags ? "",
}:
assert
  builtins.pathExists (src + "/Cargo.toml")
  || throw "buildRustProgram ${name}: `src` has no Cargo.toml: ${toString src}";
assert
  builtins.pathExists (src + "/Cargo.lock")
  || throw "buildRustProgram ${name}: `src` has no Cargo.lock; make it by `cargo generate-lockfile` and add it to Git";
world.cargo {
  inherit name;
  source = {
    files = src;
    workspace = src + "/Cargo.toml";
  };
  lock = src + "/Cargo.lock";
  env.RUSTFLAGS = "${flags.program} ${rustflags}";
  script = ''
    cargo build --bins --offline --release --target ${flags.target}
    mkdir -p $out/bin
    for program in target/${flags.target}/release/*; do
      [ ! -f $program ] || [ ! -x $program ] || cp $program $out/bin/
    done
    mkdir -p $out/share/rumpkin
    ${linked.ofCargo {
      select = "--workspace";
      list = "$out/${linked.place}";
      linked = linked.rust ++ world.linked.glibc;
    }}
  '';
}
