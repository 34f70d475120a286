# gcc and musl-gcc of the nixpkgs world, as texts of shell scripts around nixpkgs' own.
{
  # The compiler, which finds libc's shared libraries by itself.
  gcc,
  # The folder with libc's static libraries, which nixpkgs keeps apart.
  staticLibraries,
  # musl's own wrapper, which runs the compiler that it is told.
  muslGcc,
}:
{
  # The folder is named for static programs alone: others would find libc.a there before libc.so, and end with a signal.
  gcc = ''
    for argument in "$@"; do
      case $argument in
        -static | -static-pie) exec ${gcc} -L${staticLibraries} "$@" ;;
      esac
    done
    exec ${gcc} "$@"
  '';

  # Past the wrapper above, whose folder has glibc's libraries.
  musl-gcc = ''REALGCC=${gcc} exec ${muslGcc} -static "$@"'';
}
