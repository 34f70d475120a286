# What the Debian world takes from outside: files and folders that are in the store by their hash.
#
# Each is a fixed-output derivation, so Nix uses what is there already and runs the builder only for what is
# missing. The builder can fetch nothing; it says what to do. `./x` puts the seeds in (see seed.sh).
let
  system = "x86_64-linux";
  pins = builtins.fromJSON (builtins.readFile ./pins/debs.json);
  trees = builtins.fromJSON (builtins.readFile ./pins/trees.json);

  # A store name may not contain every character that a package's version may.
  storeName = builtins.replaceStrings [ "~" "%3a" ":" ] [ "-" "-" "-" ];

  busybox = derivation {
    inherit system;
    name = "busybox";
    builder = "/busybox-is-not-in-the-store--run-x-seed";
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = trees.busybox.sha256;
  };

  seed =
    mode: name: hash:
    derivation {
      inherit system;
      name = storeName name;
      builder = "${busybox}/busybox";
      args = [
        "sh"
        "-c"
        "echo '${name} is not in the store: run ./x seed' >&2; exit 1"
      ];
      outputHashMode = mode;
      outputHashAlgo = "sha256";
      outputHash = hash;
    };

  # The crates that a Cargo.lock names.
  cratesOf =
    lock:
    builtins.filter (package: package ? checksum) (builtins.fromTOML (builtins.readFile lock)).package;
  # Those of the workspace, and of the check of manifests, each once.
  crates = builtins.attrValues (
    builtins.listToAttrs (
      map (package: {
        name = "${package.name}-${package.version}";
        value = package;
      }) (builtins.concatMap cratesOf locks)
    )
  );
  locks = [
    ../../Cargo.lock
    ../../tests/manifest/Cargo.lock
  ];

  deb = name: seed "flat" (baseNameOf pins.packages.${name}.file) pins.packages.${name}.sha256;
  crate = package: seed "flat" "${package.name}-${package.version}.crate" package.checksum;
  rust = seed "recursive" "rust-${trees.rust.version}" trees.rust.sha256;

  line = path: words: builtins.unsafeDiscardStringContext (toString ([ path.outPath ] ++ words));
in
{
  inherit
    busybox
    rust
    cratesOf
    crate
    ;

  # The packages of one set of pins/roots, with all that they depend on.
  debs = set: map deb pins.sets.${set};

  # Debian's version of a package without its epoch and Debian's own part.
  upstream = version: builtins.elemAt (builtins.match "([0-9]+:)?([^-]*)(-.*)?" version) 1;

  # What a manifest says of a package.
  component =
    name: licence:
    let
      inherit (pins.packages.${name}) version sha256;
    in
    {
      inherit name version licence;
      sum = sha256;
      purl = "pkg:deb/debian/${name}@${builtins.replaceStrings [ "+" ":" ] [ "%2B" "%3A" ] version}?arch=amd64&distro=bookworm";
    };

  # One line per seed, "PATH KIND WHAT…", which seed.sh reads.
  list = builtins.concatStringsSep "\n" (
    [
      (line busybox [
        "busybox"
        pins.packages.busybox-static.file
        pins.packages.busybox-static.sha256
      ])
      (line rust [
        "rust"
        trees.rust.version
      ])
    ]
    ++ map (
      name:
      line (deb name) [
        "deb"
        pins.packages.${name}.file
        pins.packages.${name}.sha256
      ]
    ) (builtins.attrNames pins.packages)
    ++ map (
      package:
      line (crate package) [
        "crate"
        package.name
        package.version
      ]
    ) crates
    ++ [ "" ]
  );

  # One path that refers to them all, to keep them from the garbage collector by a single root.
  all = derivation {
    inherit system busybox rust;
    name = "seeds";
    builder = "${busybox}/busybox";
    args = [
      "sh"
      "-c"
      "export -p > $out"
    ];
    debs = map deb (builtins.attrNames pins.packages);
    crates = map crate crates;
  };
}
