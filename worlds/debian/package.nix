# A program for images out of Debian packages: one folder of all that it needs to run, which it finds wherever the folder lies.
{
  run,
  seeds,
  patchelf,
}:
{
  name,
  # Debian packages: files, such as builtins.fetchurl gives. Those that others depend on must be among them.
  debs,
  # The program, as a path below the folder.
  program,
  version,
  # An SPDX expression.
  licence,
  # What the manifest says of where it is from.
  purl ? null,
  sum ? null,
  # What is done at last, in the new folder.
  script ? "",
}:
run
  {
    name = "${name}-${version}";
    tools = [ patchelf ];
    env = { inherit debs; };
  }
  ''
    mkdir $out
    cd $out
    for deb in $debs; do
      case $(ar t $deb | grep '^data\.tar') in
        *.xz) ar p $deb data.tar.xz | xz -dc | tar x ;;
        *.gz) ar p $deb data.tar.gz | tar xz ;;
        data.tar) ar p $deb data.tar | tar x ;;
        *) echo "${name}: $deb is no Debian package, or one of an unknown compression" >&2; exit 1 ;;
      esac
    done

    # One folder of each kind, as on a merged /usr.
    for folder in bin sbin lib; do
      [ ! -d $folder ] || { mkdir -p usr/$folder; cp -a $folder/. usr/$folder/; rm -rf $folder; }
      mkdir -p usr/$folder
      ln -s usr/$folder $folder
    done
    rm -rf lib64 usr/lib/x86_64-linux-gnu/gconv
    chmod -R u+w .

    # Links say from the root on where things are.
    find . -type l | while read -r link; do
      target=$(readlink $link)
      case $target in
        /*) [ ! -e $out$target ] && [ ! -L $out$target ] || ln -sfn $out$target $link ;;
      esac
    done

    libraries=$out/usr/lib/x86_64-linux-gnu
    loader=$libraries/ld-linux-x86-64.so.2
    find . -type f -size +63c | while read -r file; do
      [ "$(head -c 4 $file)" = "$(printf '\177ELF')" ] || continue
      case $file in */ld-linux-x86-64.so.2 | */libc.so.6) continue ;; esac
      needed=$(patchelf --print-needed $file 2>/dev/null) || continue
      if patchelf --print-interpreter $file >/dev/null 2>&1; then
        patchelf --set-interpreter $loader $file
      elif [ -z "$needed" ]; then
        continue
      fi
      path=$(patchelf --print-rpath $file)
      # DT_RPATH: it holds for what libraries ask for, and for what is loaded later, too.
      patchelf --force-rpath --set-rpath "''${path:+$path:}$libraries" $file
    done

    ${script}

    [ -x ${program} ] || { echo "${name}: ${program} is not in it; there are:" usr/bin/* usr/sbin/* >&2; exit 1; }
    # Where it is looked for.
    [ -e bin/${baseNameOf program} ] || ln -s $out/${program} bin/

    lacks=$($loader --list ${program} 2>&1 >/dev/null) || {
      echo "${name}: $lacks; name the package that has it, too" >&2
      exit 1
    }
  ''
// {
  pname = name;
  inherit version purl sum;
  meta = {
    mainProgram = baseNameOf program;
    license.spdxId = licence;
  };
}
