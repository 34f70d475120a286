# The Rust declarations that the C face is compared with are what rumpuser.h says today.
{ world }:
world.run
  {
    name = "c-face-is-current";
    tools = [
      world.bindgen
      world.rust
    ];
  }
  ''
    mkdir -p layers/3-rumpuser
    cp ${../rustfmt.toml} rustfmt.toml
    cp -R ${../layers/3-rumpuser/c} layers/3-rumpuser/c
    CLANG_HEADERS=${world.bindgen}/clang sh layers/3-rumpuser/c/generate $TMPDIR/header.rs
    diff layers/3-rumpuser/c/src/header.rs $TMPDIR/header.rs || {
      echo "layers/3-rumpuser/c/src/header.rs is not what ./generate writes: run it, and commit the result"
      exit 1
    }
    # Every function of the header has a definition that is compared with it, but for those of the C shim.
    sed -n 's/^ *pub fn \(rumpuser_[a-z0-9_]*\).*/\1/p' $TMPDIR/header.rs | while read -r name; do
      grep -qw $name layers/3-rumpuser/c/src/check.rs || grep -q "^[a-z].*\b$name(" layers/3-rumpuser/c/shim/*.c || {
        echo "$name is in the header, and nobody defines it"
        exit 1
      }
    done
    touch $out
  ''
