# What Nix says on a system that nothing is built on: a real one, with a store of its own in the sandbox, which is told that it is
# on such a system; and that the outputs for those systems leave `nix flake check` and `nix flake show` as they are.
{ world }:
world.run
  {
    name = "elsewhere";
    tools = [ world.nix ];
  }
  ''
    export NIX_STORE_DIR=$PWD/nix/store NIX_STATE_DIR=$PWD/nix/var NIX_LOG_DIR=$PWD/nix/log NIX_CONF_DIR=$PWD/nix/etc
    export NIX_REMOTE= NIX_CONFIG='experimental-features = nix-command flakes
    sandbox = false
    build-users-group =
    substituters =
    flake-registry ='
    mkdir flake
    cp ${../pkgs/lib/elsewhere.nix} flake/elsewhere.nix
    cat > flake/flake.nix <<'EOF'
    {
      outputs = _: import ./elsewhere.nix {
        system = "${world.system}";
        shell = "SHELL";
      };
    }
    EOF
    ln -s ${world.busybox} sh
    sed -i "s,SHELL,$PWD/sh," flake/flake.nix
    cd flake

    nix flake check
    nix flake show

    # refused COMMAND…
    refused() {
      if "$@" --option system aarch64-linux > said 2>&1 < /dev/null; then
        echo "$*: did not fail"
        exit 1
      fi
      cat said
      grep -q 'makes its images on ${world.system}, .* nothing for aarch64-linux' said
      grep -q 'nix build .#packages.${world.system}.httpd' said
    }
    refused nix build
    refused nix build .#httpd
    refused nix build .#apps.httpd
    refused nix run
    refused nix run .#httpd
    refused nix develop
    refused nix fmt
    refused nix flake check
    touch $out
  ''
