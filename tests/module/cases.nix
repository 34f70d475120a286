# What the module says to good and bad configurations, as lines "ok NAME" and "not ok NAME: …".
{
  lib,
  evaluate,
  template,
  deployment,
}:
let
  web = {
    app = "httpd";
  };
  forward = host: { inherit host; guest = 80; };
  user = ports: { interfaces = [ { forwardPorts = ports; } ]; };
  on = type: device: { interfaces = [ { inherit type device; } ]; };

  line = name: holds: seen: if holds then "ok ${name}" else "not ok ${name}: ${builtins.toJSON seen}";

  # Each assertion, and a configuration that breaks it and no other: what its message must contain.
  broken = {
    "a host of another system" = {
      system = "aarch64-linux";
      unikernels.web = web;
      message = "and this one is aarch64-linux";
    };
    "a name that is none" = {
      unikernels."a b" = web;
      message = "a name has at most 64 letters";
    };
    "neither image nor app" = {
      unikernels.web = { };
      message = "services.unikernels.web: give either `image` or `app`";
    };
    "image and app" = {
      unikernels.web = web // { image = "/i"; };
      message = "give either `image` or `app`";
    };
    "two interfaces" = {
      unikernels.web = web // { interfaces = [ { } { } ]; };
      message = "a guest has one interface";
    };
    "a tap without a name" = {
      unikernels.web = web // { interfaces = [ { type = "tap"; } ]; };
      message = "needs the name of that in `device`";
    };
    "a user network with a name" = {
      unikernels.web = web // { interfaces = [ { device = "br0"; } ]; };
      message = "one of type user has none";
    };
    "ports into a bridge" = {
      unikernels.web = web // {
        interfaces = [
          {
            type = "bridge";
            device = "br0";
            forwardPorts = [ (forward 8080) ];
          }
        ];
      };
      message = "`forwardPorts` is of interfaces of type user";
    };
    "vhost without a tap" = {
      unikernels.web = web // { interfaces = [ { vhost = true; } ]; };
      message = "`vhost` needs";
    };
    "Xen without a Xen host" = {
      unikernels.web = web // { hypervisor = "xen"; };
      message = "needs a Xen host";
    };
    "a user network under Xen" = {
      xen = true;
      unikernels.web = web // { hypervisor = "xen"; interfaces = [ { } ]; };
      message = "Xen puts guests on bridges";
    };
    "QEMU's options under Xen" = {
      xen = true;
      unikernels.web = web // { hypervisor = "xen"; cpuAffinity = "0"; machine = "q35"; };
      message = "remove `cpuAffinity`, `machine`";
    };
    "a firewall opened for nothing" = {
      unikernels.web = web // user [ (forward 8080) ] // { openFirewall = true; };
      message = "`openFirewall` opens nothing";
    };
    "readiness by a port that nothing leads to" = {
      unikernels.web = web // user [ (forward 8080) ] // { ready = "tcp:81"; };
      message = "waits for the guest's port 81";
    };
    "readiness by a port of an unknown address" = {
      unikernels.web = web // on "bridge" "br0" // { ready = "tcp:80"; };
      message = "needs the guest's `address`";
    };
    "one port twice" = {
      unikernels.a = web // user [ (forward 8080) ];
      unikernels.b = web // user [ (forward 8080 // { address = "0.0.0.0"; }) ];
      message = "services.unikernels.a: the host's tcp port 8080 is also forwarded to b";
    };
    "one hardware address twice" = {
      unikernels.a = web // { interfaces = [ { mac = "52:54:00:00:00:0a"; } ]; };
      unikernels.b = web // { interfaces = [ { mac = "52:54:00:00:00:0A"; } ]; };
      message = "b has the same hardware address";
    };
    "one address twice on a bridge" = {
      unikernels = lib.genAttrs [ "a" "b" ] (name: web // {
        interfaces = [
          {
            type = "bridge";
            device = "br0";
            address = "10.0.0.2/${if name == "a" then "24" else "16"}";
          }
        ];
      });
      message = "services.unikernels.a: b has the same address 10.0.0.2 on br0";
    };
    "one folder twice" = {
      unikernels.a = web // { stateDir = "/var/lib/x"; };
      unikernels.b = web // { stateDir = "/var/lib/x"; };
      message = "b has the same stateDir /var/lib/x";
    };
    "what has an option of its own" = {
      unikernels.web = web // { extraArgs = { memory = 1; grace = 2; cpus = 2; }; };
      message = "`extraArgs` has grace, memory: say it by";
    };
    "an option that the launcher does not have" = {
      unikernels.web = web // { extraArgs.memroy = 1; };
      message = "`extraArgs` has memroy, which `rumpkin run` does not know: there are config, cpus";
    };
    "a secret that is no file name" = {
      unikernels.web = web // { credentials."a/b" = "/key"; };
      message = "names in `credentials` are names of files";
    };
    "one port twice in one unikernel" = {
      unikernels.a = web // user [ (forward 8080) (forward 8080 // { guest = 81; }) ];
      message = "the host's tcp port 8080 is also forwarded to a";
    };
    "one tap twice" = {
      unikernels.a = web // on "tap" "t";
      unikernels.b = web // on "tap" "t";
      message = "b is on the same tap t";
    };
    "one disk by two names of its path" = {
      unikernels.a = web // { disks = [ { path = "d"; } ]; };
      unikernels.b = web // { disks = [ { path = "/var/lib/rumpkin/a/d"; } ]; };
      message = "b uses the disk /var/lib/rumpkin/a/d";
    };
    "one disk by a path with detours" = {
      unikernels.a = web // { disks = [ { path = "/srv/./x/../d"; } ]; };
      unikernels.b = web // { disks = [ { path = "/srv//d"; } ]; };
      message = "b uses the disk /srv/d";
    };
    "one disk twice" = {
      unikernels.a = web // { disks = [ { path = "/dev/x"; readOnly = true; } ]; };
      unikernels.b = web // { disks = [ { path = "/dev/x"; } ]; };
      message = "b uses the disk /dev/x";
    };
  };

  breaks =
    name:
    {
      message,
      ...
    }@case:
    let
      inherit (evaluate (builtins.removeAttrs case [ "message" ])) failures;
    in
    line "refused: ${name}" (builtins.length failures == 1 && lib.hasInfix message (builtins.head failures)) failures;

  # A machine that has none may be of any system.
  elsewhere = evaluate {
    system = "aarch64-linux";
    unikernels.web = web // { enable = false; };
  };

  # Configurations that look like those and are right.
  right = {
    "nothing" = { };
    "a program of the distribution" = { inherit web; };
    "what is switched off cannot clash" = {
      a = web // user [ (forward 8080) ];
      b = web // user [ (forward 8080) ] // { enable = false; };
    };
    "one port of two protocols and addresses" = {
      a = web // user [ (forward 53) (forward 53 // { protocol = "udp"; }) ];
      b = web // user [ (forward 53 // { address = "127.0.0.2"; }) ];
    };
    "one disk read by two" = {
      a = web // { disks = [ { path = "/dev/x"; readOnly = true; } ]; };
      b = web // { disks = [ { path = "/dev/x"; readOnly = true; } ]; };
    };
    "one name of image files in two folders" = {
      a = web // { disks = [ { path = "x"; } ]; };
      b = web // { disks = [ { path = "x"; } ]; };
    };
    "one address on two bridges" = {
      a = web // { interfaces = [ { type = "bridge"; device = "br0"; address = "10.0.0.2/24"; } ]; };
      b = web // { interfaces = [ { type = "bridge"; device = "br1"; address = "10.0.0.2/24"; } ]; };
    };
    "two on a bridge" = {
      a = web // on "bridge" "br0";
      b = web // on "bridge" "br0";
    };
  };

  accepted =
    name: unikernels:
    let
      inherit (evaluate { inherit unikernels; }) failures;
    in
    line "accepted: ${name}" (failures == [ ]) failures;

  # Values of the wrong type or range.
  wrong = {
    "memory of nothing" = { memory = 0; };
    "memory in words" = { memory = "64M"; };
    "an unknown app" = { app = "emacs"; };
    "an unknown hypervisor" = { hypervisor = "kvm"; };
    "an unknown option" = { cpus = 2; };
    "a port out of range" = user [ { host = 65536; guest = 80; } ];
    "a malformed hardware address" = { interfaces = [ { mac = "52:54:00"; } ]; };
    "an address out of range" = { interfaces = [ { address = "10.0.0.256/24"; } ]; };
    "an address without prefix" = { interfaces = [ { address = "10.0.0.2"; } ]; };
    "an address of the loopback" = { interfaces = [ { address = "127.0.0.1/8"; } ]; };
    "a multicast address" = { interfaces = [ { address = "224.0.0.1/24"; } ]; };
    "an address with a prefix of no bits" = { interfaces = [ { address = "10.0.0.1/0"; } ]; };
    "a broadcast router" = { interfaces = [ { gateway = "255.255.255.255"; } ]; };
    "a line too many in the processors" = { cpuAffinity = "0-1\rExecStopPost=+/bin/evil"; };
    "a line too many in a disk's path" = { disks = [ { path = "/d\nX=y"; } ]; };
    "a line too many in a secret's path" = { credentials.key = "/k\rX=y"; };
    "a line too many in a group" = { groups = [ "g\rX=y" ]; };
    "a line too many in an argument" = { args = [ "a\nX=y" ]; };
    "a line too many in a variable" = { env.A = "b\rX=y"; };
    "a line too many in a bridge's name" = { interfaces = [ { type = "bridge"; device = "b\rX=y"; } ]; };
    "a line too many in the host name" = { hostname = "h\rX=y"; };
    "a line too many in a condition" = { ready = "line:a\nX=y"; };
    "a line too many in the state folder" = { stateDir = "/var/lib/a\rX=y"; };
    "a router that is none" = { interfaces = [ { gateway = "router"; } ]; };
    "a name server that is none" = { interfaces = [ { nameservers = [ "::1" ]; } ]; };
    "a host's address that is none" = user [ (forward 80 // { address = "localhost"; }) ];
    "a packet size out of range" = { interfaces = [ { mtu = 100; } ]; };
    "an unknown condition" = { ready = "http:80"; };
    "a secret with a relative path" = { credentials.key = "key"; };
    "a state folder elsewhere" = { stateDir = "/srv/web"; };
  };

  # Whether such options are of the right types.
  taken =
    options:
    let
      made = (evaluate { unikernels.web = web // options; }).config.services.unikernels.web;
      plain = builtins.removeAttrs made [
        "package"
        "qemu"
      ];
    in
    (builtins.tryEval (builtins.deepSeq plain true)).success;
  rejected = name: options: line "wrong type: ${name}" (!taken options) "it was taken";

  # What it sets beside the units.
  full = evaluate {
    unikernels = {
      web =
        web
        // user [
          (forward 80 // { address = "0.0.0.0"; })
          (forward 8080)
          (forward 53 // { protocol = "udp"; address = "0.0.0.0"; })
        ]
        // { openFirewall = true; };
      db = web // {
        autoStart = false;
        restartIfChanged = false;
        interfaces = [ { type = "tap"; device = "t"; vhost = true; } ];
      };
      off = web // { enable = false; };
    };
  };
  onXen = evaluate {
    xen = true;
    unikernels.dom = web // on "bridge" "br0" // { hypervisor = "xen"; disks = [ { path = "d"; } ]; };
  };
  # The template's deployment imports this module, too.
  example = evaluate {
    unikernels = { };
    modules = [ deployment.nixosModules.default ];
  };
  deployed = evaluate {
    unikernels = { };
    modules = [ template.nixosModules.default ];
  };
  # Two definitions are merged.
  merged = evaluate {
    unikernels = lib.mkMerge [
      { web = web // { env.A = "1"; memory = lib.mkDefault 32; }; }
      { web = { env.B = "2"; memory = 128; }; }
    ];
  };

  set =
    name: seen: expected:
    line "set: ${name}" (seen == expected) seen;
in
lib.mapAttrsToList breaks broken
++ lib.mapAttrsToList accepted right
++ lib.mapAttrsToList rejected wrong
++ [
  (set "no unikernel on a host of another system" elsewhere.failures [ ])
  (set "right types" (taken { memory = 1; ready = "tcp:80"; credentials.key = "/key"; }) true)
  (set "services" (builtins.attrNames full.config.systemd.services) [
    "unikernel-db"
    "unikernel-web"
  ])
  (set "one unit for each" (builtins.length full.config.systemd.packages) 2)
  (set "start with the machine" full.config.systemd.services.unikernel-web.wantedBy [ "multi-user.target" ])
  (set "no start with the machine" full.config.systemd.services.unikernel-db.wantedBy [ ])
  (set "no restart on change" full.config.systemd.services.unikernel-db.restartIfChanged false)
  (set "drop-in" full.config.systemd.services.unikernel-web.overrideStrategy "asDropin")
  (set "open TCP ports" full.config.networking.firewall.allowedTCPPorts [ 80 ])
  (set "open UDP ports" full.config.networking.firewall.allowedUDPPorts [ 53 ])
  (set "kernel modules" full.config.boot.kernelModules [
    "tun"
    "vhost_net"
  ])
  (set "Xen's daemons" onXen.config.systemd.services.unikernel-dom.requires [
    "xenstored.service"
    "xenconsoled.service"
  ])
  (set "Xen's programs" onXen.config.systemd.services.unikernel-dom.path [
    "/xen"
    "/util-linux"
  ])
  (set "Xen's modules" onXen.config.boot.kernelModules [ "loop" ])
  (set "the template's deployment" deployed.failures [ ])
  (set "the template's port" deployed.config.networking.firewall.allowedTCPPorts [ 80 ])
  (set "the template's image" "${deployed.config.services.unikernels.greeter.image}" "${template.packages.x86_64-linux.default}")
  (set "the example's deployment" example.failures [ ])
  (set "the example's services" (builtins.attrNames (example.config.services.unikernels)) [ "blue" "green" ])
  (set "the example's host names" (map (name: example.config.services.unikernels.${name}.hostname) [ "blue" "green" ]) [ "blue" "green" ])
  (set "merged variables" merged.config.services.unikernels.web.env {
    A = "1";
    B = "2";
  })
  (set "merged memory" merged.config.services.unikernels.web.memory 128)
  (set "default host name" merged.config.services.unikernels.web.hostname "web")
  (set "default folder" merged.config.services.unikernels.web.stateDir "/var/lib/rumpkin/web")
]
