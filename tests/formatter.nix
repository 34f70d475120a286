# `nix fmt`, with files, folders, and nothing to format.
{ world, formatter }:
world.run
  {
    name = "formatter";
    tools = [ world.rust ];
  }
  ''
    mkdir -p crate/src crate/target other
    printf '[package]\nname = "crate"\nedition = "2024"\n' > crate/Cargo.toml
    cd crate
    # What an older edition has no word for.
    bad='fn  main( ){let _=async||gen_(  );}'
    good=$(printf '%s\n' "$bad" | rustfmt --edition 2024)
    reset() { for file in src/main.rs src/lib.rs target/made.rs ../other/a.rs note.txt; do printf '%s\n' "$bad" > $file; done; }
    # formatted FILE…: these are, and no others.
    formatted() {
      for file in src/main.rs src/lib.rs target/made.rs ../other/a.rs note.txt; do
        case " $* " in *" $file "*) expected=$good ;; *) expected=$bad ;; esac
        [ "$(cat $file)" = "$expected" ] || { echo "$file is not as expected"; cat $file; exit 1; }
      done
    }
    format="sh ${formatter}/bin/format"

    reset; $format; formatted src/main.rs src/lib.rs
    reset; $format .; formatted src/main.rs src/lib.rs
    reset; $format src/lib.rs; formatted src/lib.rs
    reset; $format src/lib.rs ../other; formatted src/lib.rs ../other/a.rs
    reset; $format note.txt src/main.rs 2> said; formatted src/main.rs; grep 'passed over note.txt' said
    fails() { if "$@" > said 2>&1; then echo "$*: did not fail"; exit 1; fi; }
    reset; fails $format --check src/lib.rs; formatted
    reset; fails $format --check; formatted
    reset; fails $format src/absent.rs; formatted; grep 'src/absent.rs is not there' said
    touch $out
  ''
