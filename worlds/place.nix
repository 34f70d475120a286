# Where Cargo runs, in every world: crates' paths are part of what is compiled, so another folder would give another kernel,
# and no layer could take over what a layer below it compiled.
let
  workspace = "/build/ws";
in
{
  inherit workspace;
  vendor = "/build/vendor";

  # A script for the folder that Cargo is to run in, which ends the build if it is another one.
  insist = ''
    [ "$PWD" = ${workspace} ] || {
      echo "This build runs in $PWD, but has to run in ${workspace}: Nix builds without its sandbox here." >&2
      echo "Give Nix its sandbox: 'sandbox = true' and 'sandbox-fallback = false' in nix.conf, or the options" >&2
      echo "'--option sandbox true --option sandbox-fallback false'; and leave 'sandbox-build-dir' at /build." >&2
      echo "A container must be allowed to have it, as by 'docker run --privileged'." >&2
      exit 1
    }
  '';
}
