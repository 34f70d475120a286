# Unpacks a set of Debian packages into one folder and makes its programs find their loader and libraries there.
{
  run,
  seeds,
  patchelf,
}:
{
  name,
  set,
  # Programs to fit, as shell patterns.
  programs ? "usr/bin/* usr/sbin/*",
  # What is done next, in the new folder; $lib is the folder of the libraries.
  script,
}:
run
  {
    name = "debian-${name}";
    tools = [ patchelf ];
    env.debs = seeds.debs set;
  }
  ''
    mkdir $out
    cd $out
    for deb in $debs; do ar p $deb data.tar.xz | xz -dc | tar x; done

    # One folder of each kind, as on a merged /usr.
    for dir in bin sbin lib; do
      [ ! -d $dir ] || { mkdir -p usr/$dir; cp -a $dir/. usr/$dir/; rm -rf $dir; }
    done
    rm -rf lib64 etc usr/share/doc usr/share/man usr/share/locale usr/share/lintian usr/share/bug
    ln -s usr/lib lib
    mkdir lib64
    ln -s ../usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 lib64/
    lib=$out/usr/lib/x86_64-linux-gnu

    for program in ${programs}; do
      [ -f $program ] && [ ! -L $program ] || continue
      patchelf --print-interpreter $program >/dev/null 2>&1 || continue
      patchelf --force-rpath --set-interpreter $lib/ld-linux-x86-64.so.2 --set-rpath $lib $program
    done

    ${script}
  ''
