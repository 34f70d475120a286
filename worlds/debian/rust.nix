# Rust as its authors built it, fitted to the pinned glibc; it links by the pinned gcc.
{
  run,
  seeds,
  gcc,
  patchelf,
  ...
}:
run
  {
    name = "rust";
    tools = [ patchelf ];
  }
  ''
    mkdir $out
    cp -a ${seeds.rust}/. $out/
    chmod -R u+w $out
    cd $out
    lib=${gcc}/usr/lib/x86_64-linux-gnu
    for program in bin/* lib/rustlib/*/bin/* lib/rustlib/*/bin/gcc-ld/*; do
      [ -f $program ] && patchelf --print-interpreter $program >/dev/null 2>&1 || continue
      patchelf --set-interpreter $lib/ld-linux-x86-64.so.2 --add-rpath $lib $program
    done
    for library in lib/librustc_driver-*.so lib/libLLVM.so.*; do
      patchelf --add-rpath $lib $library
    done
    for tool in ${gcc}/bin/*; do ln -s $tool bin/; done

    bin/rustc -vV
    bin/cargo --version
    bin/cargo-clippy --version
    bin/rustfmt --version
    lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld --version
  ''
