# Builds one layer of the kernel: its crates, on what the layers below it compiled.
#
# The source of a layer holds its own crates and those below it, so what depends on a higher one cannot be built;
# and what a lower layer compiled is never compiled again, or the build fails. The result holds Cargo's target
# folder and the list of what has been compiled so far.
{ world, workspace }:
let
  flags = import ./flags.nix;
in
{
  name,
  # Members of the workspace, as paths.
  members,
  # Layers, from this same function.
  below ? [ ],
  # The crates' own build command, instead of building them as libraries.
  command ? "build ${toString (map (member: "-p ${workspace.packageName member}") members)}",
  # Arguments for the compiler when it compiles the one crate of `command` (which is then a `cargo rustc`).
  finalArguments ? "",
  # What else goes to the result, in the workspace's folder.
  install ? "",
}:
let
  # This layer's members and all below it.
  all = members ++ builtins.concatMap (layer: layer.members) below;

  source = workspace.source {
    name = "layer-${name}";
    only = all;
  };

  layer = world.cargo {
    name = "layer-${name}";
    inherit source;
    inherit below;
    keepTarget = true;
    env.RUSTFLAGS = flags.kernel;
    script = ''
      ${workspace.withoutTests}
      ${workspace.withoutAbsent}

      cat /dev/null ${toString (map (layer: "${layer}/compiled") below)} | sort -u > lower

      cargo ${command} --offline --release --target ${flags.target} ${
        if finalArguments == "" then "" else "-- ${finalArguments}"
      } 2>&1 | tee log

      sed -n 's/^ *Compiling \([^ ]*\) v\([^ ]*\).*/\1 \2/p' log | sort -u > here
      if sort lower here | uniq -d | grep . > again; then
        echo "layer ${name} compiles what a layer below it has compiled already:"
        cat again
        echo "An external crate's features must be the same everywhere: set them in [workspace.dependencies]."
        exit 1
      fi

      ${install}
      mkdir -p $out
      cp here $out/compiled-here
      sort -u lower here > $out/compiled
    '';
  };
in
layer
// {
  inherit below source;
  layer = name;
  own = members;
  members = all;
}
