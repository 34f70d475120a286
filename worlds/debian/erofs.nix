# The maker of EROFS images.
{ unpack, ... }:
unpack {
  name = "erofs-utils";
  set = "erofs";
  script = ''
    mkdir bin
    ln -s ../usr/bin/mkfs.erofs bin/
    bin/mkfs.erofs --help >&2
  '';
}
