# A C compiler whose libc has its static libraries in a folder apart, as nixpkgs' has: for the test of the wrappers of the
# nixpkgs world.
{
  run,
  seeds,
  gcc,
  ...
}:
let
  folder = run { name = "gcc-with-static-libraries-apart"; } ''
    cp -a ${gcc}/. $out
    chmod -R u+w $out
    cd $out
    sed -i "s,${gcc},$out,g" bin/gcc musl.specs
    mkdir static
    for library in usr/lib/x86_64-linux-gnu/*.a; do
      case $library in *_nonshared.a) ;; *) mv $library static/ ;; esac
    done
    # What has become part of libc, by its old names.
    for name in dl:2 pthread:0 rt:1 util:1; do ln -s lib''${name%:*}.so.''${name#*:} usr/lib/x86_64-linux-gnu/lib''${name%:*}.so; done
    # A text that names the others.
    sed -i 's,/usr/lib/x86_64-linux-gnu,/static,g' static/libm.a
    # As musl makes it.
    cat > bin/musl-gcc <<EOF
    #!${seeds.busybox}/busybox sh
    exec "\''${REALGCC:-gcc}" "\$@" -specs $out/musl.specs
    EOF
  '';
in
{
  gcc = "${folder}/bin/gcc";
  staticLibraries = "${folder}/static";
  muslGcc = "${folder}/bin/musl-gcc";
}
