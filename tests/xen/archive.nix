# Packs a tree, made by a script in an empty folder, and a store path with all that it refers to: a cpio archive (newc) that
# Linux unpacks into its first root.
{ world }:
{
  name,
  closure,
  # $closure is the store path.
  script,
}:
world.run
  {
    name = "${name}.cpio";
    tools = [ world.gcc ];
    env = {
      inherit closure;
      exportReferencesGraph = [
        "closure"
        closure
      ];
    };
  }
  ''
    mkdir root
    cd root
    mkdir -p .${builtins.storeDir}
    for path in $(grep '^/' ../closure | sort -u); do cp -a $path .${builtins.storeDir}/; done
    ${script}
    find . -exec touch -h -d @1 {} +
    find . | sort | ${world.busybox} cpio -o -H newc -R 0:0 --renumber-inodes > $out
  ''
