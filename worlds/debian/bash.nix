# bash, for `nix develop`.
{ unpack, ... }:
unpack {
  name = "bash";
  set = "bash";
  script = ''
    mkdir bin
    ln -s ../usr/bin/bash bin/
    bin/bash --version
  '';
}
