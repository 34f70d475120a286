# Makes an EROFS root file system of files: the same files are always the same bytes, and data lies in whole pages, so
# that it can be mapped in place. The result is the file; `tree` is the folder it was made of, and `pack` the command.
{ world }:
{
  name,
  # A folder to begin with, or null.
  base ? null,
  # Files and folders: their place in the image, and what goes there.
  files ? { },
  # Symbolic links: their place, and what they name.
  links ? { },
  # Files and packages that go below /nix/store with all that they refer to, and those of which only goes there what they refer to.
  closures ? [ ],
  references ? [ ],
  # Whether libc can look up root and nobody, unless somebody gave an /etc/passwd.
  users ? false,
  # What is left out of packages, as patterns of the shell below a package or its usr.
  exclude ? [ ],
}:
let
  inherit (import ./shell.nix) quote;
  each = script: list: builtins.concatStringsSep "\n" (map script list);
  numbers = list: builtins.genList (index: index) (builtins.length list);

  # Nix's description of a path and all that it refers to: for each path its own line, an empty one, the number of references,
  # and these. `closures` come first.
  roots = closures ++ references;
  graph =
    index:
    let
      whole = if index < builtins.length closures then "1" else "0";
    in
    "awk -v whole=${whole} -f ${./references.awk} graph${toString index}";

  addUsers = ''
    [ -e etc/passwd ] || printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/false > etc/passwd
    [ -e etc/group ] || printf '%s\n' root:x:0: nogroup:x:65534: > etc/group
  '';

  tree =
    world.run
      {
        name = "${name}-tree";
        env.exportReferencesGraph = builtins.concatMap (index: [
          "graph${toString index}"
          (builtins.elemAt roots index)
        ]) (numbers roots);
      }
      ''
        { true; ${each graph (numbers roots)}
        } | sort -u > paths
        mkdir $out
        while read -r path; do
          mkdir -p $out/nix/store
          cp -a $path $out/nix/store/
          [ -d $path ] && [ ! -L $path ] || continue
          copy=$out$path
          chmod -R u+w $copy
          for pattern in ${toString (map (pattern: "${quote pattern} ${quote "usr/${pattern}"}") exclude)}; do
            # The pattern is to become what it matches.
            (cd $copy && rm -rf -- $pattern)
          done
        done < paths
        cd $out
        mkdir bin dev etc proc tmp
        ${if base == null then "" else "cp -R ${base}/. ."}
        chmod -R u+w .
        ${each (place: ''
          mkdir -p ${quote ".${dirOf place}"}
          [ -e ${quote "${files.${place}}"} ] || { echo "${name}: "${quote "${files.${place}} is not there"} >&2; exit 1; }
          # A folder goes into one that is there.
          cp -RT ${quote "${files.${place}}"} ${quote ".${place}"}
          chmod -R u+w ${quote ".${place}"}
        '') (builtins.attrNames files)}
        ${if users then addUsers else ""}
        ${each (place: ''
          mkdir -p ${quote ".${dirOf place}"}
          ln -s ${quote links.${place}} ${quote ".${place}"}
        '') (builtins.attrNames links)}
      '';

  # Modes as they were before the store took away the right to write; one UUID, time and owner for all.
  pack = folder: file: ''
    chmod -R u+w,go-w ${folder}
    SOURCE_DATE_EPOCH=0 mkfs.erofs --quiet -T0 -U 00000000-0000-0000-0000-000000000000 --all-root -x-1 -E noinline_data ${file} ${folder} >&2
  '';
in
world.run
  {
    name = "${name}.erofs";
    tools = [ world.erofs ];
  }
  ''
    cp -a ${tree} root
    ${pack "root" "$out"}
  ''
// {
  inherit tree pack;
}
