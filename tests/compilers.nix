# Each kind of program that C compilers must link: it runs, and is of its kind.
{ world }:
let
  # `compilers` has gcc, cc and musl-gcc in bin/.
  link =
    name: compilers:
    world.run
      {
        inherit name;
        tools = [
          compilers
          world.gcc
        ];
      }
      ''
        cat > t.c <<'EOF'
        #include <math.h>
        #include <stdio.h>
        #include <stdlib.h>
        int main(int count, char **arguments) { printf("%s %.0f\n", arguments[0], sqrt(count * 16)); return !getenv("PATH"); }
        EOF
        # program NAME COMPILER…: makes it, and runs it.
        program() {
          name=$1
          shift
          echo "$name: $*"
          "$@" -O2 -Wall -Werror t.c -o $name -lm
          [ "$(./$name)" = "./$name 4" ]
          readelf -lWd $name > $name.segments
        }
        fixed() { grep -q 'Elf file type is EXEC' $1.segments; }
        movable() { grep -q 'Elf file type is DYN' $1.segments; }
        alone() {
          if grep -E 'INTERP|NEEDED' $1.segments; then
            echo "$1 is not static"
            exit 1
          fi
        }

        for compiler in gcc cc; do
          program static $compiler -static
          fixed static
          alone static
          program static-pie $compiler -static-pie
          movable static-pie
          alone static-pie
          program dynamic $compiler
          grep 'NEEDED.*libc\.so\.6' dynamic.segments
          # Rust's library asks for what has long been part of libc.
          program with-old-names $compiler -lutil -lrt -lpthread -ldl -lgcc_s
          # In two steps, as build scripts are linked.
          $compiler -O2 -c t.c -o t.o
          $compiler t.o -o in-two-steps -lm
          ./in-two-steps
        done
        program musl musl-gcc -static -no-pie
        fixed musl
        alone musl
        program musl-by-itself musl-gcc -no-pie
        alone musl-by-itself
        # It is musl: glibc would be much larger.
        [ $(stat -c %s musl) -lt $(($(stat -c %s static) / 4)) ]
        touch $out
      '';

  # The nixpkgs world's wrappers, around a compiler like nixpkgs'.
  scripts = import ../worlds/nixpkgs/compilers.nix world.apart;
  wrapped = world.run { name = "nixpkgs-wrappers"; } ''
    mkdir -p $out/bin
    cd $out/bin
    cat > gcc <<'EOF'
    ${scripts.gcc}
    EOF
    cat > musl-gcc <<'EOF'
    ${scripts.musl-gcc}
    EOF
    sed -i "1i #!${world.busybox} sh" *
    chmod +x *
    ln -s gcc cc
  '';
in
{
  compilers = link "compilers" world.gcc;
}
// (if world ? apart then { wrapped-compilers = link "wrapped-compilers" wrapped; } else { })
