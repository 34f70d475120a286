# wrk, which loads web servers.
{ unpack, ... }:
unpack {
  name = "wrk";
  set = "wrk";
  script = ''
    mkdir bin
    ln -s ../usr/bin/wrk bin/
    rm -rf usr/lib/x86_64-linux-gnu/gconv usr/share
    ! lib64/ld-linux-x86-64.so.2 --list bin/wrk | grep 'not found' || exit 1
  '';
}
