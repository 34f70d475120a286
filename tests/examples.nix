# Builds and boots every example, as its own flake says, with this flake as its input; their manifests are validated.
{
  world,
  userFlake,
  checkManifest,
}:
let
  inherit (world) system;
  folder = ../examples;
  names = builtins.filter (name: (builtins.readDir folder).${name} == "directory") (
    builtins.attrNames (builtins.readDir folder)
  );
  outputs = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = userFlake (folder + "/${name}/flake.nix");
    }) names
  );

  builds =
    name:
    let
      image = outputs.${name}.packages.${system}.default;
      runner = outputs.${name}.apps.${system}.default or null;
    in
    ''
      [ -s ${image} ]
      ${if runner == null then "" else "[ -x ${runner.program} ]"}
      ${checkManifest image [ ]}
      cat ${image.sizes} > /dev/null
    '';
in
{
  examples-build = world.run { name = "examples-build"; } ''
    ${builtins.concatStringsSep "" (map builds names)}
    # The page lists each of them.
    for name in ${toString names}; do grep -q "($name/flake.nix)" ${folder}/README.md || { echo "README.md lacks $name"; exit 1; }; done
    touch $out
  '';
}
// builtins.listToAttrs (
  builtins.concatMap (
    name:
    map (test: {
      name = "example-${test}";
      value = outputs.${name}.checks.${system}.${test};
    }) (builtins.attrNames (outputs.${name}.checks.${system} or { }))
  ) names
)
