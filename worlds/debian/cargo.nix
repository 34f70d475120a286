# Runs a script with Cargo over a source tree, offline, with the crates that Cargo.lock names.
{
  run,
  seeds,
  rust,
}:
let
  place = import ../place.nix;

  # One folder per crate of a Cargo.lock, as `cargo vendor` lays them out, each checked by the hash that Cargo.lock has for it.
  vendor =
    lock:
    let
      crates = seeds.cratesOf lock;
    in
    run
      {
        name = "vendored-crates";
        env = {
          crates = map seeds.crate crates;
          sums = map (package: package.checksum) crates;
        };
      }
      ''
        mkdir $out
        set -- $sums
        for crate in $crates; do
          tar xzf $crate -C $out
          folder=$(basename $crate .crate)
          echo "{\"files\":{},\"package\":\"$1\"}" > $out/''${folder#*-}/.cargo-checksum.json
          shift
        done
      '';
in
{
  name,
  # From pkgs/lib/workspace.nix: the files, and the workspace's Cargo.toml.
  source,
  script,
  # Names the crates.
  lock ? ../../Cargo.lock,
  tools ? [ ],
  env ? { },
  # Results of this function whose compiled crates are taken over.
  below ? [ ],
  # Whether the result keeps Cargo's target folder, for others to stand on.
  keepTarget ? false,
}:
run
  {
    inherit name;
    tools = [ rust ] ++ tools;
    env = env // {
      inherit (source) files workspace;
      inherit below;
      CARGO_INCREMENTAL = "0";
      SOURCE_DATE_EPOCH = "1";
    };
  }
  ''
    cp -a $files ws
    chmod -R u+w ws
    cp -a $workspace ws/Cargo.toml
    ln -s ${vendor lock} vendor
    export CARGO_HOME=$TMPDIR/cargo CARGO_NET_OFFLINE=true
    mkdir $CARGO_HOME
    cat > $CARGO_HOME/config.toml <<EOF
    [source.crates-io]
    replace-with = "vendor"
    [source.vendor]
    directory = "$TMPDIR/vendor"
    EOF
    cd ws
    ${place.insist}
    for lower in $below; do
      mkdir -p target
      # What two of them have in common comes from the later one; busybox's cp replaces no hard link.
      (cd $lower/target && find . -type f) | (cd target && xargs rm -f)
      cp -a $lower/target/. target/
      chmod -R u+w target
    done

    ${script}

    ${
      if keepTarget then
        ''
          # Cargo's notes on the compiler; written in random order.
          rm -f target/.rustc_info.json
          cp -a target $out/
        ''
      else
        ""
    }
  ''
