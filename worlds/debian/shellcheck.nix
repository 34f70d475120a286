# The linter of shell scripts.
{ unpack, ... }:
unpack {
  name = "shellcheck";
  set = "shellcheck";
  script = ''
    mkdir bin
    ln -s ../usr/bin/shellcheck bin/
    bin/shellcheck --version
  '';
}
