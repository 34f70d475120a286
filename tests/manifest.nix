# Validates manifests: by CycloneDX's own schema, and that everything is listed (tests/manifest).
{
  world,
}:
let
  lock = ./manifest/Cargo.lock;
  schemaOf = "serde-cyclonedx";
  inherit
    (builtins.head (
      builtins.filter (package: package.name == schemaOf) (builtins.fromTOML (builtins.readFile lock)).package
    ))
    version
    ;

  checker = world.cargo {
    name = "manifest-check";
    source = {
      files = ./manifest;
      workspace = ./manifest/Cargo.toml;
    };
    inherit lock;
    script = ''
      cargo build --offline
      mkdir -p $out/bin
      cp target/debug/manifest-check $out/bin/
      cp ../vendor/${schemaOf}-${version}/schemas/cyclonedx_1_6.json $out/schema.json
    '';
  };
in
{
  # A script that checks the manifest of an image, in which components of these names are.
  checkManifest =
    image: names:
    "${checker}/bin/manifest-check ${checker}/schema.json ${image.manifest} ${toString names}\n";
}
