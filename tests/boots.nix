# Boots of images in the sandbox, on every machine type.
{
  apps,
  ...
}:
let
  # { pc = …; q35 = …; } under a name, as { name-pc = …; name-q35 = …; }
  named =
    name: tests:
    builtins.listToAttrs (
      map (machine: {
        name = "${name}-${machine}";
        value = tests.${machine};
      }) (builtins.attrNames tests)
    );
in
named "hello" (
  apps.hello.boot {
    script = ''
      run_guest -- --exit 7
      expect_line '^hello, world'
      expect_status 7
    '';
  }
)
