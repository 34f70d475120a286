# Each option of a unikernel has an effect: with another value something is deployed that is not the same. Lines as in cases.nix;
# an option that is missing here is one, too.
{ lib, evaluate }:
let
  # Everything that comes of a configuration.
  deployment =
    { xen, unikernels }:
    let
      evaluated = evaluate { inherit xen unikernels; };
      inherit (evaluated) config;
    in
    {
      inherit (config.systemd) services;
      inherit (config.networking) firewall;
      inherit (config.boot) kernelModules;
      packages = map toString config.environment.systemPackages;
      specs = lib.mapAttrs (name: evaluated.spec name) (
        lib.filterAttrs (_: unikernel: unikernel.enable) config.services.unikernels
      );
    };
  text = value: builtins.unsafeDiscardStringContext (builtins.toJSON value);

  # What is changed, and by what.
  base = {
    app = "httpd";
    interfaces = [
      {
        forwardPorts = [
          {
            address = "0.0.0.0";
            host = 80;
            guest = 80;
          }
        ];
      }
    ];
  };
  bridge = {
    type = "bridge";
    device = "br0";
    address = "10.0.0.2/24";
  };
  bridged = base // { interfaces = [ bridge ]; };
  disks = base // { disks = [ { path = "d"; } ]; };

  # By option: a configuration before, and one after.
  pair = before: after: { inherit before after; };
  with' = option: value: pair base (base // { ${option} = value; });
  interface = option: value: pair bridged (base // { interfaces = [ (bridge // { ${option} = value; }) ]; });
  forward =
    option: value:
    pair base (
      base
      // {
        interfaces = [ { forwardPorts = [ ((lib.head (lib.head base.interfaces).forwardPorts) // { ${option} = value; }) ]; } ];
      }
    );
  effects = {
    enable = with' "enable" false;
    autoStart = with' "autoStart" false;
    image = pair base ((builtins.removeAttrs base [ "app" ]) // { image = "/image"; });
    app = with' "app" "hello";
    args = with' "args" [ "-x" ];
    env = with' "env" { A = "b"; };
    hypervisor = pair bridged (bridged // { hypervisor = "xen"; });
    package = with' "package" (derivation { name = "another"; system = "x"; builder = "x"; });
    qemu = with' "qemu" (derivation { name = "another"; system = "x"; builder = "x"; });
    memory = with' "memory" 128;
    machine = with' "machine" "q35";
    accel = with' "accel" "tcg";
    cpuAffinity = with' "cpuAffinity" "0";
    interfaces = with' "interfaces" [ ];
    openFirewall = with' "openFirewall" true;
    hostname = with' "hostname" "another";
    disks = pair base disks;
    credentials = with' "credentials" { key = "/key"; };
    groups = with' "groups" [ "disk" ];
    ready = with' "ready" "tcp:80";
    restart = with' "restart" "always";
    startTimeout = with' "startTimeout" 1;
    stopTimeout = with' "stopTimeout" 1;
    extraArgs = with' "extraArgs" { cpus = 2; };
    restartIfChanged = with' "restartIfChanged" false;
    stateDir = with' "stateDir" "/var/lib/another";

    "interfaces.*.type" = pair bridged (base // { interfaces = [ (bridge // { type = "tap"; }) ]; });
    "interfaces.*.device" = interface "device" "br1";
    "interfaces.*.forwardPorts" = pair base (base // { interfaces = [ { } ]; });
    "interfaces.*.mac" = interface "mac" "52:54:00:00:00:01";
    "interfaces.*.address" = interface "address" "dhcp";
    "interfaces.*.gateway" = interface "gateway" "10.0.0.1";
    "interfaces.*.nameservers" = interface "nameservers" [ "10.0.0.1" ];
    "interfaces.*.mtu" = interface "mtu" 1400;
    "interfaces.*.vhost" = interface "vhost" true;
    "interfaces.*.forwardPorts.*.protocol" = forward "protocol" "udp";
    "interfaces.*.forwardPorts.*.address" = forward "address" "127.0.0.2";
    "interfaces.*.forwardPorts.*.host" = forward "host" 81;
    "interfaces.*.forwardPorts.*.guest" = forward "guest" 81;
    "disks.*.path" = pair disks (base // { disks = [ { path = "/dev/d"; } ]; });
    "disks.*.readOnly" = pair disks (
      base
      // {
        disks = [
          {
            path = "d";
            readOnly = true;
          }
        ];
      }
    );
  };

  effect =
    name:
    { before, after }:
    let
      deployed =
        unikernel:
        text (deployment {
          xen = true;
          unikernels.web = unikernel;
        });
    in
    if deployed before != deployed after then "ok effect: ${name}" else "not ok effect: ${name}: nothing changes";

  options = lib.filter (name: name != "" && !lib.hasInfix "_module" name) (
    map (option: lib.removePrefix "." (lib.removePrefix "services.unikernels.<name>" option.name)) (
      lib.filter (option: lib.hasPrefix "services.unikernels.<name>" option.name) (
        lib.optionAttrSetToDocList (evaluate { unikernels = { }; }).options.services
      )
    )
  );
  unseen = lib.subtractLists (lib.attrNames effects) options ++ lib.subtractLists options (lib.attrNames effects);
in
lib.mapAttrsToList effect effects
++ [ (if unseen == [ ] then "ok effect: every option" else "not ok effect: every option: ${builtins.toJSON unseen}") ]
