# A root folder of Debian with systemd as it is installed, for a guest that tests services.
{ run, seeds, ... }:
run
  {
    name = "debian-systemd";
    env.debs = seeds.debs "systemd";
  }
  ''
    mkdir $out
    cd $out
    for deb in $debs; do ar p $deb data.tar.xz | xz -dc | tar x; done
    for dir in bin sbin lib; do
      mkdir -p usr/$dir
      [ ! -d $dir ] || { cp -a $dir/. usr/$dir/; rm -rf $dir; }
      ln -s usr/$dir $dir
    done
    mkdir -p usr/lib64
    [ ! -d lib64 ] || { cp -a lib64/. usr/lib64/; rm -rf lib64; }
    ln -s usr/lib64 lib64
    rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/lintian usr/share/bug usr/lib/x86_64-linux-gnu/gconv
    usr/bin/busybox --list | while read -r program; do
      [ -e usr/bin/$program ] || [ -e usr/sbin/$program ] || ln -s busybox usr/bin/$program
    done
  ''
