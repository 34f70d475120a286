# The maker of Rust declarations from C headers, with Clang's own headers (clang/) and Xen's public ones (include/xen).
{ seeds, unpack, ... }:
unpack {
  name = "bindgen";
  set = "bindgen";
  script = ''
    mkdir bin include
    ln -s ../usr/include/xen include/
    ln -s usr/lib/llvm-14/lib/clang/14.0.6/include clang
    # It looks for libclang by itself, at run time; and libclang for its own libraries, in a place of its own.
    cat > bin/bindgen <<EOF
    #!${seeds.busybox}/busybox sh
    LIBCLANG_PATH=$lib LD_LIBRARY_PATH=$lib exec $out/usr/bin/bindgen "\$@"
    EOF
    chmod +x bin/bindgen
    bin/bindgen --version
  '';
}
