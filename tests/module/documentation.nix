# The page docs/module.md, made of the module's options.
{ lib, evaluate }:
let
  inherit (evaluate { unikernels = { }; }) options;
  all = lib.optionAttrSetToDocList options.services;
  shown = lib.filter (option: option.visible && !option.internal && !lib.hasInfix "_module" option.name) all;

  value = one: if one ? text then one.text else lib.generators.toPretty { } one;
  code =
    text:
    if lib.hasInfix "\n" text then
      "\n\n```nix\n${lib.removeSuffix "\n" text}\n```\n"
    else
      " `${text}`\n";

  section = option: ''
    ## `${lib.removePrefix "services.unikernels." option.name}`
    ${lib.removeSuffix "\n" (option.description.text or option.description)}

    - Type: ${option.type}
    ${lib.optionalString (option ? default) "- Default:${code (value option.default)}"}${lib.optionalString (option ? example) "- Example:${code (value option.example)}"}
  '';
in
''
  # NixOS module

  `nixosModules.default` runs unikernels as services: each is `unikernel-<name>.service`, a unit made by `rumpkin unit`
  ([launcher](launcher.md#as-a-service)), and answers to `rumpkin status <name>` and the like. What is said here is bound at
  launch; the image stays the same. This page is made of the options themselves.

  ```nix
  {
    imports = [ rumpkin.nixosModules.default ];
    services.unikernels.web = {
      app = "httpd";
      ready = "tcp:80";
      interfaces = [ { forwardPorts = [ { address = "0.0.0.0"; host = 80; guest = 80; } ]; } ];
      openFirewall = true;
    };
  }
  ```

''
+ lib.concatStrings (map section (lib.filter (option: option.name != "services.unikernels") shown))
