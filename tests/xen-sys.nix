# The Rust declarations of Xen's ABI are what its public headers say today.
{ world }:
world.run
  {
    name = "xen-abi-is-current";
    tools = [
      world.bindgen
      world.rust
    ];
  }
  ''
    mkdir -p layers/1-platform
    cp ${../rustfmt.toml} rustfmt.toml
    cp -R ${../layers/1-platform/xen-sys} layers/1-platform/xen-sys
    HEADERS=${world.bindgen}/include CLANG_HEADERS=${world.bindgen}/clang sh layers/1-platform/xen-sys/generate $TMPDIR/generated.rs
    diff layers/1-platform/xen-sys/src/generated.rs $TMPDIR/generated.rs || {
      echo "layers/1-platform/xen-sys/src/generated.rs is not what ./generate writes: run it, and commit the result"
      exit 1
    }
    touch $out
  ''
