#!/bin/sh
# Puts what the Debian world is made of into the Nix store, by hash: Debian packages from this machine's own mirror,
# crates through Cargo, and the installed Rust. Skips what is there already.
# Usage: seed.sh FLAKE ROOT, at the top of the checkout. FLAKE is worlds/debian as a flake; ROOT is the symbolic link
# that keeps the seeds from the garbage collector.
set -eu

flake=$1
root=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { echo "seed: $*" >&2; }
die() {
  say "$@"
  exit 1
}

# The files that were in somebody's rustup or distribution packages are the same on every machine only in this part.
rust_files() { # SYSROOT
  (cd "$1" && echo bin/cargo bin/cargo-clippy bin/cargo-fmt bin/clippy-driver bin/rustc bin/rustdoc bin/rustfmt \
    lib/librustc_driver-*.so lib/libLLVM* lib/rustlib/x86_64-unknown-linux-gnu)
}

missing() { # KIND
  while read -r path kind rest; do
    [ "$kind" != "$1" ] || [ -e "$path" ] || echo "$path $rest"
  done <"$scratch/list"
}

# The part of a store path after its hash.
store_name() {
  base=${1##*/}
  echo "${base#*-}"
}

# Downloads one package, checked, through apt's own transports.
download() { # FILE HASH TARGET
  /usr/lib/apt/apt-helper download-file "$mirror/$1" "$3" "SHA256:$2" >"$scratch/log" 2>&1 && return
  cat "$scratch/log" >&2
  die "the mirror no longer has ${1##*/}, which worlds/debian/pins/debs.json pins." \
    "Run './x pin' to pin what it has today, and commit the result."
}

find_mirror() {
  # shellcheck disable=SC2016  # $(SITE) is apt's own placeholder
  mirror=${RUMPKIN_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' \
    'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -n 1)}
  [ -n "$mirror" ] || die "no mirror of Debian 12 (bookworm main) is configured here: name one in RUMPKIN_DEBIAN_MIRROR"
}

seed_busybox() {
  missing busybox | while read -r path file hash; do
    find_mirror
    download "$file" "$hash" "$scratch/busybox.deb"
    dpkg-deb -x "$scratch/busybox.deb" "$scratch/unpacked"
    mkdir "$scratch/busybox"
    cp "$scratch/unpacked/bin/busybox" "$scratch/busybox/"
    chmod 755 "$scratch/busybox/busybox"
    got=$(nix-store --add-fixed --recursive sha256 "$scratch/busybox")
    [ "$got" = "$path" ] || die "busybox came out as $got, not $path"
  done
}

seed_debs() {
  missing deb >"$scratch/debs"
  [ -s "$scratch/debs" ] || return 0
  find_mirror
  say "fetching $(wc -l <"$scratch/debs") Debian packages from $mirror"
  mkdir "$scratch/pool"
  # Many at a time is fast; what did not arrive is tried again alone, to name it.
  while read -r path file hash; do
    echo "$mirror/$file $scratch/pool/$(store_name "$path") SHA256:$hash"
  done <"$scratch/debs" | xargs -n 60 /usr/lib/apt/apt-helper download-file >"$scratch/log" 2>&1 || true
  while read -r path file hash; do
    deb=$scratch/pool/$(store_name "$path")
    [ -e "$deb" ] || download "$file" "$hash" "$deb"
  done <"$scratch/debs"
  nix-store --add-fixed sha256 "$scratch"/pool/* >/dev/null
}

seed_crates() {
  missing crate >"$scratch/crates"
  [ -s "$scratch/crates" ] || return 0
  command -v cargo >/dev/null || die "cargo is needed to fetch $(wc -l <"$scratch/crates") crates"
  say "fetching $(wc -l <"$scratch/crates") crates"
  cargo fetch --locked --quiet
  cargo fetch --locked --quiet --manifest-path tests/manifest/Cargo.toml
  while read -r _ name version; do
    find "${CARGO_HOME:-$HOME/.cargo}/registry/cache" -name "$name-$version.crate" | head -n 1
  done <"$scratch/crates" | xargs nix-store --add-fixed sha256 >/dev/null
}

seed_rust() {
  missing rust | while read -r path version; do
    sysroot=$(rustc "+$version" --print sysroot 2>/dev/null || rustc --print sysroot 2>/dev/null) || sysroot=
    "${sysroot:-/nowhere}/bin/rustc" --version 2>/dev/null | grep -q "^rustc $version " ||
      die "Rust $version is not installed here. Get it by 'rustup toolchain install $version -c clippy -c rustfmt' (https://rustup.rs)."
    say "adding Rust $version from $sysroot"
    mkdir "$scratch/rust-$version"
    # shellcheck disable=SC2046  # the list is words
    (cd "$sysroot" && cp -a --parents $(rust_files "$sysroot") "$scratch/rust-$version/") ||
      die "Rust $version lacks a component: 'rustup component add --toolchain $version clippy rustfmt'"
    got=$(nix-store --add-fixed --recursive sha256 "$scratch/rust-$version")
    [ "$got" = "$path" ] || die "Rust in $sysroot is not the pinned one: its files hash to $(nix hash path "$got")." \
      "Reinstall it by rustup; or put that into worlds/debian/pins/trees.json, if the version is to change."
  done
}

nix eval --raw "$flake#seeds.list" >"$scratch/list"
seed_busybox
seed_rust
seed_debs
seed_crates
nix build "$flake#seeds.all" --out-link "$root"
