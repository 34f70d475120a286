# patchelf, which fits programs of other packages to their new places; itself it is started through its loader.
{ run, seeds }:
run
  {
    name = "debian-patchelf";
    env.debs = seeds.debs "patchelf";
  }
  ''
    mkdir $out
    cd $out
    for deb in $debs; do ar p $deb data.tar.xz | xz -dc | tar x; done
    lib=$out/lib/x86_64-linux-gnu
    mkdir bin
    cat > bin/patchelf <<EOF
    #!${seeds.busybox}/busybox sh
    exec $lib/ld-linux-x86-64.so.2 --library-path $lib:$out/usr/lib/x86_64-linux-gnu $out/usr/bin/patchelf "\$@"
    EOF
    chmod +x bin/patchelf
    bin/patchelf --version
  ''
