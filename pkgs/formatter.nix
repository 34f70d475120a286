# `nix fmt`: formats the Rust sources that are named, those in the folders that are named, or else the workspace's.
{ world }:
let
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package) edition;
in
world.run
  {
    name = "format";
    env = {
      script = ''
        #!/bin/sh
        set -eu
        PATH=${world.rust}/bin:$PATH
        options=
        for argument; do
          shift
          case $argument in
            -*) options="$options $argument" ;;
            *) set -- "$@" "$argument" ;;
          esac
        done

        # Some versions of Nix name the folder where none was named.
        case "$*" in
          "" | .) exec cargo fmt --all -- $options ;;
        esac

        for path; do
          if [ ! -e "$path" ]; then
            echo "format: $path is not there" >&2
            exit 1
          fi
          case $path in
            *.rs) ;;
            *) [ -d "$path" ] || echo "format: passed over $path, which is not Rust" >&2 ;;
          esac
        done
        find "$@" -name target -prune -o -type f -name '*.rs' -print0 | xargs -0 -r rustfmt --edition ${edition} $options
      '';
      passAsFile = [ "script" ];
    };
  }
  ''
    mkdir -p $out/bin
    cp $scriptPath $out/bin/format
    chmod +x $out/bin/format
  ''
// {
  meta = {
    description = "Formats Rust sources";
    mainProgram = "format";
  };
}
