# The GNU C++ compiler, for programs that run where they are built.
{ seeds, unpack, ... }:
unpack {
  name = "gxx-12";
  set = "gxx";
  programs = "usr/bin/* usr/lib/gcc/x86_64-linux-gnu/12/*";
  script = ''
    mkdir bin
    for tool in ar as ld; do ln -s ../usr/bin/x86_64-linux-gnu-$tool bin/$tool; done
    cat > bin/c++ <<EOF
    #!${seeds.busybox}/busybox sh
    case " \$* " in
      *" -c "*) loader= ;;
      *) loader="-Wl,--dynamic-linker=$lib/ld-linux-x86-64.so.2 -Wl,--disable-new-dtags,-rpath,$lib" ;;
    esac
    exec $out/usr/bin/x86_64-linux-gnu-g++-12 --sysroot=$out -B$out/bin \$loader "\$@"
    EOF
    chmod +x bin/c++

    echo 'int main() try { throw 0; } catch (int status) { return status; }' > $TMPDIR/t.cc
    bin/c++ $TMPDIR/t.cc -o $TMPDIR/t
    $TMPDIR/t
  '';
}
