# Nix, for checks that build something in a store of their own.
{ unpack, seeds, ... }:
unpack {
  name = "nix";
  set = "nix";
  script = ''
    mkdir bin
    cat > bin/nix <<EOF
    #!${seeds.busybox}/busybox sh
    # Where it looks for its other half.
    NIX_LIBEXEC_DIR=$out/usr/libexec exec $out/usr/bin/nix "\$@"
    EOF
    chmod +x bin/nix
    # Its own libraries are in a folder apart.
    for library in usr/lib/nix/*.so; do
      patchelf --force-rpath --set-rpath $lib $library
      mv $library $lib/
    done
    rm -rf usr/share
    bin/nix --version
  '';
}
