# Makes an EROFS root file system of files: the same files are always the same bytes, and data lies in whole pages, so
# that it can be mapped in place. The result is the file; `tree` is the folder it was made of, and `pack` the command.
{ world }:
{
  name,
  # A folder to begin with, or null.
  base ? null,
  # Files and folders: their place in the image, and what goes there.
  files ? { },
}:
let
  inherit (import ./shell.nix) quote;

  tree = world.run { name = "${name}-tree"; } ''
    mkdir $out
    cd $out
    mkdir bin dev etc proc tmp
    ${if base == null then "" else "cp -R ${base}/. ."}
    chmod -R u+w .
    ${builtins.concatStringsSep "\n" (
      map (place: ''
        mkdir -p ${quote ".${dirOf place}"}
        [ -e ${quote "${files.${place}}"} ] || { echo "${name}: "${quote "${files.${place}} is not there"} >&2; exit 1; }
        # A folder goes into one that is there.
        cp -RT ${quote "${files.${place}}"} ${quote ".${place}"}
        chmod -R u+w ${quote ".${place}"}
      '') (builtins.attrNames files)
    )}
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
    cp -R ${tree} root
    ${pack "root" "$out"}
  ''
// {
  inherit tree pack;
}
