# `rumpkin inspect --verify` with a real Nix, which has a store of its own in the sandbox, and a flake there whose derivations
# copy images: the same, another, one that is another each time, and none.
{
  world,
  tools,
  apps,
}:
let
  # As a user's flake does it, by names of files alone.
  flake = builtins.toFile "flake.nix" ''
    {
      outputs =
        { self }:
        let
          make =
            script:
            derivation {
              name = "image";
              system = "${world.system}";
              builder = "BUSYBOX";
              args = [ "sh" "-c" "BUSYBOX ''${script}" ];
            };
        in
        {
          same = make "cp IMAGE $out";
          other = make "cp OTHER $out";
          random = make "cat /proc/sys/kernel/random/uuid > $out";
          text = make "echo text > $out";
          folder = make "mkdir $out";
          broken = make "false";
          nothing = { };
        };
    }
  '';
in
world.run
  {
    name = "verify";
    tools = [
      world.nix
      tools
    ];
  }
  ''
    export NIX_STORE_DIR=$PWD/nix/store NIX_STATE_DIR=$PWD/nix/var NIX_LOG_DIR=$PWD/nix/log NIX_CONF_DIR=$PWD/nix/etc
    export NIX_REMOTE= NIX_CONFIG='sandbox = false
    build-users-group =
    substituters =
    flake-registry ='
    mkdir flake
    sed "s,BUSYBOX,${world.busybox},; s,BUSYBOX,${world.busybox},; s,IMAGE,${apps.hello},; s,OTHER,${apps.httpd}," ${flake} > flake/flake.nix

    # verify STATUS TEXT ATTRIBUTE [OPTION…]: the status and a piece of what is said.
    verify() {
      expected=$1 text=$2 attribute=$3
      shift 3
      status=0
      rumpkin inspect --verify ${apps.hello} "path:$PWD/flake#$attribute" "$@" > said 2>&1 || status=$?
      cat said
      [ $status = $expected ] || { echo "$attribute: status $status, not $expected"; exit 1; }
      grep -qF -- "$text" said || { echo "$attribute: does not say $text"; exit 1; }
    }
    verify 0 'verified: ${apps.hello} is what' same
    # The second time it is there, and Nix makes it again.
    verify 0 'checking outputs of' same
    verify 0 'verified:' same -- --print-build-logs --max-jobs 1
    verify 1 'root file system differs from byte' other
    verify 1 'configuration' other
    verify 2 'not an ELF file' random
    verify 2 'could not build it again with the same result' random
    verify 2 'not an ELF file' text
    verify 2 'gives a folder' folder
    verify 2 'nix could not build it' broken
    verify 2 'there is no such attribute' absent
    verify 2 'nix could not build it' nothing
    verify 2 'nix could not build it' same -- --no-such-option
    touch $out
  ''
