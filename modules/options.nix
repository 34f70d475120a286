# The options of `services.unikernels.<name>`; docs/module.md is made of them.
{ tools, apps }:
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  # Those of `rumpkin run`, as the launcher itself tells them.
  run = builtins.fromJSON (builtins.readFile ../docs/launcher.options.json);
  port = types.ints.between 1 65535;
  number = "([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
  ipv4 = "${number}(\\.${number}){3}";
  matching = pattern: description: types.strMatching pattern // { inherit description; };
  address = matching ipv4 "IPv4 address";
  # What a machine can have: not of 0/8, 127/8 or from 224/8 on. `rumpkin unit` looks at the network, too.
  first = "([1-9]|[1-9][0-9]|1[01][0-9]|12[0-689]|1[3-9][0-9]|2[01][0-9]|22[0-3])";
  machine = "${first}(\\.${number}){3}";
  router = matching machine "IPv4 address of a machine";
  withPrefix = matching "dhcp|${machine}/([1-9]|[12][0-9]|3[0-2])" "IPv4 address of a machine with its prefix, or dhcp";
  # What gets into a unit, which is made of lines.
  line = matching "[^[:cntrl:]]*" "string without control characters";

  forward.options = {
    protocol = mkOption {
      type = types.enum [
        "tcp"
        "udp"
      ];
      default = "tcp";
      example = "udp";
      description = "The protocol.";
    };
    address = mkOption {
      type = address;
      default = "127.0.0.1";
      example = "0.0.0.0";
      description = "The host's IPv4 address on which the port is open.";
    };
    host = mkOption {
      type = port;
      example = 8080;
      description = "The host's port.";
    };
    guest = mkOption {
      type = port;
      example = 80;
      description = "The guest's port.";
    };
  };

  interface.options = {
    type = mkOption {
      type = types.enum [
        "user"
        "tap"
        "bridge"
      ];
      default = "user";
      example = "bridge";
      description = ''
        What the interface is attached to: QEMU's own network, an existing tap interface, or an existing bridge. Xen has bridges alone.
      '';
    };
    forwardPorts = mkOption {
      type = types.listOf (types.submodule forward);
      default = [ ];
      example = [
        {
          address = "0.0.0.0";
          host = 80;
          guest = 80;
        }
      ];
      description = "Ports of the host that lead into the guest. Of QEMU's own network alone.";
    };
    device = mkOption {
      type = types.nullOr line;
      default = null;
      example = "br0";
      description = "The name of the tap interface or bridge.";
    };
    mac = mkOption {
      type = types.nullOr (types.strMatching "([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}");
      default = null;
      example = "52:54:00:00:00:01";
      description = "The guest's hardware address. By default one is made from the tap's name, or chosen by Xen.";
    };
    address = mkOption {
      type = types.nullOr withPrefix;
      default = null;
      example = "10.0.0.2/24";
      description = "The guest's address with its prefix, or `dhcp`. By default what the image says.";
    };
    gateway = mkOption {
      type = types.nullOr router;
      default = null;
      example = "10.0.0.1";
      description = "The guest's default router.";
    };
    nameservers = mkOption {
      type = types.listOf address;
      default = [ ];
      example = [ "10.0.0.1" ];
      description = "The guest's name servers.";
    };
    mtu = mkOption {
      type = types.nullOr (types.ints.between 576 9000);
      default = null;
      example = 9000;
      description = "The largest packet, in bytes. For QEMU.";
    };
    vhost = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Have the host's kernel move the packets of a tap or bridge. For QEMU.";
    };
  };

  disk.options = {
    path = mkOption {
      type = line;
      example = "/dev/vg/web";
      description = "A block device or a raw image file; a path that is not absolute begins in `stateDir`.";
    };
    readOnly = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "The guest cannot write to it.";
    };
  };

  unikernel =
    { name, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Whether there is a service for this unikernel.";
        };
        autoStart = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Start it when the machine starts.";
        };
        image = mkOption {
          type = types.nullOr types.path;
          default = null;
          example = lib.literalExpression "rumpkin.lib.mkUnikernel { name = \"web\"; program = …; }";
          description = "The image. Give this or `app`.";
        };
        app = mkOption {
          type = types.nullOr (types.enum (builtins.attrNames apps));
          default = null;
          example = "httpd";
          description = "One of the images that come with the distribution.";
        };
        args = mkOption {
          type = types.listOf line;
          default = [ ];
          example = [
            "--root"
            "/srv/www"
          ];
          description = "The program's arguments, if they are to be others than the image's. Every user of the host can read them.";
        };
        env = mkOption {
          type = types.attrsOf line;
          default = { };
          example = {
            RUST_LOG = "info";
          };
          description = "Variables in the program's environment. Every user of the host can read them: for secrets there are `credentials`.";
        };
        hypervisor = mkOption {
          type = types.enum run.hypervisor.values;
          inherit (run.hypervisor) default;
          example = "xen";
          description = "What runs the guest.";
        };
        package = mkOption {
          type = types.package;
          default = tools;
          defaultText = lib.literalExpression "rumpkin.packages.x86_64-linux.tools";
          example = lib.literalExpression "rumpkin.packages.x86_64-linux.tools";
          description = "The package with the launcher `rumpkin`.";
        };
        qemu = mkOption {
          type = types.package;
          default = pkgs.qemu_kvm;
          defaultText = lib.literalExpression "pkgs.qemu_kvm";
          example = lib.literalExpression "pkgs.qemu_test";
          description = "The package with QEMU; Xen does without.";
        };
        memory = mkOption {
          type = types.ints.between 1 1048576;
          default = lib.toInt run.memory.default;
          example = 256;
          description = "Memory of the guest, in MiB.";
        };
        machine = mkOption {
          type = types.enum run.machine.values;
          inherit (run.machine) default;
          example = "q35";
          description = "Type of QEMU's machine; not for Xen.";
        };
        accel = mkOption {
          type = types.enum run.accel.values;
          inherit (run.accel) default;
          example = "kvm";
          description = "How QEMU runs instructions: by KVM, in software (`tcg`), or by KVM where it works. With `kvm` the process can be kept from making code. Not for Xen.";
        };
        cpuAffinity = mkOption {
          type = types.nullOr line;
          default = null;
          example = "0-3";
          description = "The processors of the host that it may use, as in systemd's `CPUAffinity=`. For QEMU.";
        };
        interfaces = mkOption {
          type = types.listOf (types.submodule interface);
          default = [ ];
          example = [
            {
              type = "bridge";
              device = "br0";
              address = "10.0.0.2/24";
            }
          ];
          description = "The guest's network interface: one at most, since the kernel has one link. Without any, QEMU's own network lets the guest out and nobody in, and Xen gives it none.";
        };
        openFirewall = mkOption {
          type = types.bool;
          default = false;
          example = true;
          description = "Open the host's firewall for `forwardPorts`.";
        };
        hostname = mkOption {
          type = types.nullOr line;
          default = name;
          defaultText = lib.literalExpression "<name>";
          example = "web";
          description = "The guest's host name; null for the image's.";
        };
        disks = mkOption {
          type = types.listOf (types.submodule disk);
          default = [ ];
          example = [ { path = "/dev/vg/web"; } ];
          description = "The guest's disks: /dev/vda and so on, in this order.";
        };
        credentials = mkOption {
          type = types.attrsOf (matching "/[^[:cntrl:]]*" "absolute path without control characters");
          default = { };
          example = {
            key = "/run/keys/web";
          };
          description = "Secrets: files in the guest's /run/credentials, by name, and the files of the host that systemd reads them from at start.";
        };
        groups = mkOption {
          type = types.listOf line;
          default = [ ];
          example = [ "disk" ];
          description = "Groups of the host that QEMU's process belongs to, for its disks.";
        };
        ready = mkOption {
          type = types.nullOr (types.strMatching "tcp:[0-9]+|line:[^[:cntrl:]]+");
          default = null;
          example = "tcp:80";
          description = "When the service counts as started: `tcp:PORT`, a port of the guest answers; `line:TEXT`, its console shows the text; null, at once.";
        };
        restart = mkOption {
          type = types.enum [
            "no"
            "always"
            "on-failure"
            "on-abnormal"
          ];
          default = "on-failure";
          example = "always";
          description = "When it is started again after its end, as in systemd's `Restart=`.";
        };
        startTimeout = mkOption {
          type = types.ints.unsigned;
          default = 90;
          example = 30;
          description = "Seconds until it must be ready.";
        };
        stopTimeout = mkOption {
          type = types.ints.unsigned;
          default = lib.toInt run.grace.default;
          example = 60;
          description = "Seconds that the program has after SIGTERM, before it is killed.";
        };
        extraArgs = mkOption {
          type = types.attrsOf types.anything;
          default = { };
          example = {
            cpus = 2;
          };
          description = "Options of `rumpkin run` that none of the others stands for, by their long names (docs/launcher.md).";
        };
        restartIfChanged = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Restart it when a new system is switched to in which it is another one.";
        };
        stateDir = mkOption {
          type = types.strMatching "/var/lib/[^[:cntrl:]]+";
          default = "/var/lib/rumpkin/${name}";
          defaultText = lib.literalExpression "\"/var/lib/rumpkin/<name>\"";
          example = "/var/lib/web";
          description = "Its folder on the host, the only one that it can write to.";
        };
      };
    };
in
{
  options.services.unikernels = mkOption {
    type = types.attrsOf (types.submodule unikernel);
    default = { };
    example = lib.literalExpression ''
      {
        web = {
          app = "httpd";
          ready = "tcp:80";
          interfaces = [ { forwardPorts = [ { address = "0.0.0.0"; host = 80; guest = 80; } ]; } ];
          openFirewall = true;
        };
      }
    '';
    description = "Unikernels to run on this machine, by name. Each is the service unikernel-<name>.";
  };
}
