# Builds somebody's own C program into a static one: one that runs in an image and on any Linux alike.
#
#   buildCProgram { name = "greeter"; src = ./src; }
#
# All .c files of `src` become the program bin/NAME.
{ world }:
let
  linked = import ./linked.nix { inherit world; };
in
{
  name,
  # The folder with the .c files.
  src,
  # The C library: "musl" or "glibc".
  libc ? "musl",
  # More for the compiler.
  cflags ? "",
  version ? "0",
}:
assert
  libc == "musl" || libc == "glibc"
  || throw "buildCProgram ${name}: `libc` must be \"musl\" or \"glibc\"";
assert
  builtins.any (file: builtins.match ".*\\.c" file != null) (builtins.attrNames (builtins.readDir src))
  || throw "buildCProgram ${name}: `src` has no .c file: ${toString src}";
world.run
  {
    inherit name;
    tools = [ world.gcc ];
  }
  ''
    mkdir -p $out/bin $out/share/rumpkin
    # In the folder, so that no path of the store is told to the compiler.
    cp -R ${src}/. .
    ${if libc == "musl" then "musl-gcc -static -no-pie" else "gcc -static"} -O2 -Wall -Werror ${cflags} *.c -s -o $out/bin/${name}
    {
      ${linked.lines world.linked.${libc}}
    } > $out/${linked.place}
  ''
// {
  pname = name;
  inherit version;
}
