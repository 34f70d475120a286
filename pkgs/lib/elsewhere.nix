# The flake's outputs for systems that nothing is built on: a sentence that says so, whatever is asked for.
#
# `nix flake check` and `nix flake show` evaluate what they find for every system, so that what they find is a derivation, which
# says it when it is built. They leave legacyPackages alone, which say it at once, and of which Nix takes each name that it finds
# nowhere else.
{
  # The system that images are made on.
  system,
  # A shell of the others.
  shell ? "/bin/sh",
}:
let
  others = [
    "aarch64-linux"
    "aarch64-darwin"
    "x86_64-darwin"
  ];
  each = make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) others);

  sentence = other: ''
    Rumpkin makes its images on ${system}, and for it; there is nothing for ${other}. Where Nix has a builder for ${system}
    (its option `builders`, or nix-darwin's linux-builder), name the system: nix build .#packages.${system}.httpd'';

  refusal =
    other:
    derivation {
      name = "rumpkin-is-made-on-${system}";
      system = other;
      builder = shell;
      args = [
        "-c"
        "echo \"$sentence\" >&2; exit 1"
      ];
      sentence = sentence other;
    };
in
{
  legacyPackages = each (other: throw (sentence other));
  packages = each (other: { default = refusal other; });
  checks = each (other: { default = refusal other; });
  apps = each (other: {
    default = {
      type = "app";
      program = "${refusal other}/bin/rumpkin";
      meta.description = "Says on which system images are made";
    };
  });
  formatter = each refusal;
  # Nix enters no shell but bash's.
  devShells = each (other: {
    default = derivation {
      name = "rumpkin-shell";
      system = other;
      builder = "${refusal other}/bin/bash";
    };
  });
}
