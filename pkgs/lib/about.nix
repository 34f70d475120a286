# What an image is made of: its manifest (CycloneDX 1.6, JSON) and the sizes of its parts. The writer is rumpkin-manifest
# (pkgs/manifest); it is given the places of everything that went in.
{ world, imageTools }:
let
  # A layer and all that it stands on, lowest first, each once.
  withBelow =
    layer:
    builtins.foldl' (
      all: one: if builtins.any (other: other.layer == one.layer) all then all else all ++ [ one ]
    ) [ ] (builtins.concatMap withBelow layer.below ++ [ layer ]);

  # An SPDX expression of a package's licences, or null where one of them has no identifier.
  licence =
    package:
    let
      given = package.meta.license or [ ];
      all = if builtins.isList given then given else [ given ];
    in
    if all != [ ] && builtins.all (one: one ? spdxId) all then
      builtins.concatStringsSep " AND " (map (one: one.spdxId) all)
    else
      null;

  known = builtins.filter (one: builtins.isAttrs one && one ? pname && one ? version);
  describe = package: {
    name = package.pname;
    inherit (package) version;
    licence = licence package;
  };
in
{
  name,
  image,
  # A layer of the name "image", and so what is below it.
  composition,
  # What went in from outside the kernel: { path; place; package; }.
  parts,
  # The folder that the root file system was made of, or null.
  tree ? null,
}:
let
  part =
    {
      path,
      place ? null,
      package ? null,
    }:
    {
      path = "${path}";
      inherit place;
    }
    // (
      if package == null then
        { }
      else
        (builtins.foldl' (all: one: all // one) { } (map describe (known [ package ])))
        // {
          # What is built into a static program.
          inputs = map describe (known (package.buildInputs or [ ] ++ package.propagatedBuildInputs or [ ]));
          purl = package.purl or null;
          sum = package.sum or null;
        }
    );

  # A copy of what is read of the composition, so that the manifest, which names all layers, holds none of them in the store.
  kernel = world.run { name = "${name}-kernel-facts"; } ''
    mkdir $out
    cp ${composition}/boot/kernel.debug ${composition}/components $out/
  '';

  ingredients = world.run {
    name = "${name}-ingredients.json";
    env = {
      json = builtins.toJSON {
        inherit name;
        image = "${image}";
        symbols = "${kernel}/kernel.debug";
        components = "${kernel}/components";
        layers = map (layer: {
          name = layer.layer;
          # A name alone: what a layer compiled is not read.
          store = builtins.unsafeDiscardStringContext "${layer}";
          source = "${layer.source.files}";
          members = layer.own;
        }) (withBelow composition);
        parts = map part parts;
        tree = if tree == null then null else "${tree}";
      };
      passAsFile = [ "json" ];
    };
  } "cp $jsonPath $out";

  write =
    what: file:
    world.run {
      name = "${name}-${file}";
      tools = [ imageTools ];
    } "rumpkin-manifest ${what} ${ingredients} > $out";
in
{
  manifest = write "document" "manifest.cdx.json";
  sizes = write "sizes" "sizes.json";
}
