# Another address, variable or amount of memory rebuilds nothing: what `rumpkin unit` is given refers to the very same
# derivations, and to one image.
{ world, tools, apps }:
let
  # Of nixpkgs's library what modules/spec.nix takes, so that this needs no nixpkgs.
  lib = {
    inherit (builtins) foldl';
    filterAttrs =
      keep: set: builtins.removeAttrs set (builtins.filter (name: !keep name set.${name}) (builtins.attrNames set));
    mapAttrsToList = make: set: map (name: make name set.${name}) (builtins.attrNames set);
    concatMap = builtins.concatMap;
    optional = condition: value: if condition then [ value ] else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    removePrefix = prefix: text: builtins.substring (builtins.stringLength prefix) (-1) text;
    any = builtins.any;
  };
  spec = import ../../modules/spec.nix {
    inherit lib apps;
    pkgs.iproute2 = "/iproute2";
  };

  before = {
    image = null;
    app = "httpd";
    args = [ ];
    env.A = "1";
    hypervisor = "qemu";
    package = tools;
    inherit (world) qemu;
    memory = 64;
    machine = "microvm";
    accel = "auto";
    cpuAffinity = null;
    interfaces = [
      {
        type = "user";
        forwardPorts = [ ];
        device = null;
        mac = null;
        address = "10.0.2.15/24";
        gateway = null;
        nameservers = [ ];
        mtu = null;
        vhost = false;
      }
    ];
    hostname = "web";
    disks = [ ];
    credentials = { };
    groups = [ ];
    ready = null;
    restart = "on-failure";
    startTimeout = 90;
    stopTimeout = 10;
    extraArgs = { };
    stateDir = "/var/lib/rumpkin/web";
  };
  after = before // {
    env.A = "2";
    memory = 128;
    interfaces = [ (builtins.head before.interfaces // { address = "10.0.2.16/24"; }) ];
  };
  another = before // {
    app = "hello";
  };

  text = unikernel: builtins.toJSON (spec "web" unikernel);
  # The derivations that the text names, and which of their outputs.
  needs = unikernel: builtins.getContext (text unikernel);
in
assert text before != text after || throw "another address, variable and memory change nothing at all";
assert
  needs before == needs after
  || throw "another address, variable or memory of a deployment asks for another derivation";
# What is compared does tell images apart.
assert needs before != needs another;
world.run { name = "deployment-rebuilds-nothing"; } "touch $out"
