# The GNU C compiler and binutils, for programs on glibc (gcc) and static ones on musl (musl-gcc).
{
  run,
  seeds,
  unpack,
}:
unpack {
  name = "gcc-12";
  set = "gcc";
  programs = "usr/bin/* usr/lib/gcc/x86_64-linux-gnu/12/*";
  script = ''
    mkdir bin
    for tool in ar as ld nm objcopy objdump ranlib readelf size strip; do ln -s ../usr/bin/x86_64-linux-gnu-$tool bin/$tool; done
    ln -s ../usr/bin/make bin/

    # A program that is not static gets this glibc's loader, since the sandbox has no other.
    cat > bin/gcc <<EOF
    #!${seeds.busybox}/busybox sh
    case " \$* " in
      *" -static"* | *" -nostdlib"* | *" -c "*) loader= ;;
      *) loader="-Wl,--dynamic-linker=$lib/ld-linux-x86-64.so.2 -Wl,-rpath,$lib" ;;
    esac
    exec $out/usr/bin/x86_64-linux-gnu-gcc-12 --sysroot=$out -B$out/bin \$loader "\$@"
    EOF

    sed "s,/usr,$out/usr,g; s,-dynamic-linker [^ ]*,," usr/lib/x86_64-linux-musl/musl-gcc.specs > musl.specs
    cat > bin/musl-gcc <<EOF
    #!${seeds.busybox}/busybox sh
    exec $out/usr/bin/x86_64-linux-gnu-gcc-12 -B$out/bin -static -specs=$out/musl.specs "\$@"
    EOF

    chmod +x bin/gcc bin/musl-gcc
    ln -s gcc bin/cc

    echo 'int main(void) { return 0; }' > $TMPDIR/t.c
    for cc in gcc "gcc -static" "musl-gcc -no-pie"; do
      bin/$cc $TMPDIR/t.c -o $TMPDIR/t
      $TMPDIR/t
    done
  '';
}
