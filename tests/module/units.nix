# The units that the module makes, built by the launcher, with lines that they must have or must not.
{
  lib,
  world,
  evaluate,
}:
let
  evaluated = evaluate {
    xen = true;
    unikernels = {
      web = {
        image = "/images/web";
        args = [
          "-x"
          "50 %"
        ];
        env.A = "b c";
        memory = 32;
        accel = "tcg";
        ready = "tcp:80";
        interfaces = [
          {
            address = "dhcp";
            forwardPorts = [
              {
                host = 8080;
                guest = 80;
              }
            ];
          }
        ];
        credentials.key = "/etc/key";
        stopTimeout = 20;
        cpuAffinity = "0-1";
        extraArgs.cpus = 2;
      };
      db = {
        image = "/images/db";
        accel = "kvm";
        disks = [
          { path = "/dev/vg/db"; }
          {
            path = "data";
            readOnly = true;
          }
        ];
        groups = [ "disk" ];
        interfaces = [
          {
            type = "bridge";
            device = "br0";
            mac = "52:54:00:00:00:01";
            address = "10.0.0.2/24";
            gateway = "10.0.0.1";
            nameservers = [
              "10.0.0.1"
              "10.0.0.3"
            ];
            mtu = 1400;
            vhost = true;
          }
        ];
        hostname = null;
        restart = "always";
        stateDir = "/var/lib/db";
      };
      dom = {
        image = "/images/dom";
        hypervisor = "xen";
        interfaces = [
          {
            type = "bridge";
            device = "xenbr0";
          }
        ];
      };
    };
  };

  unikernels = evaluated.config.services.unikernels;
  run =
    name: rest:
    "ExecStart=${unikernels.${name}.package}/bin/rumpkin run /images/${name} --name=${name} ${rest}";
  qemu = "--qemu=${world.qemu}/bin/qemu-system-x86_64";

  expected = {
    web = [
      (run "web" "--grace=20 --credential=key --accel=tcg --address=dhcp --cpus=2 \"--env=A=b c\" --forward=tcp:127.0.0.1:8080:80 --hostname=web --machine=microvm --memory=32 ${qemu} --ready=tcp:80 --sandbox -- -x \"50 %%\"")
      "LoadCredential=key:/etc/key"
      "CPUAffinity=0-1"
      "TimeoutStopSec=25"
      "StateDirectory=rumpkin/web"
      "MemoryMax=544M"
      "DynamicUser=yes"
      "Type=notify"
    ];
    db = [
      (run "db" "--grace=10 --accel=kvm --address=10.0.0.2/24 --disk=/dev/vg/db --disk=data:ro --gateway=10.0.0.1 --mac=52:54:00:00:00:01 --machine=microvm --memory=64 --mtu=1400 --nameserver=10.0.0.1 --nameserver=10.0.0.3 ${qemu} --sandbox --tap=rk-db --vhost")
      "ExecStartPre=+/iproute2/bin/ip tuntap add dev rk-db mode tap group kvm"
      "DeviceAllow=/dev/vg/db rw"
      "DeviceAllow=/dev/kvm rw"
      "DeviceAllow=/dev/vhost-net rw"
      "SupplementaryGroups=disk kvm"
      "MemoryDenyWriteExecute=yes"
      "Restart=always"
      "StateDirectory=db"
      "WorkingDirectory=%S/db"
    ];
    dom = [
      (run "dom" "--grace=10 --bridge=xenbr0 --hostname=dom --hypervisor=xen --memory=64")
      "NoNewPrivileges=yes"
    ];
  };
  forbidden = {
    web = "DeviceAllow|SupplementaryGroups";
    db = "rk-web";
    dom = "DynamicUser|--sandbox|--qemu|--machine";
  };

  compare = name: lines: ''
    unit=$(echo ${toString evaluated.config.systemd.packages} | tr ' ' '\n' | grep -- '-unikernel-${name}-unit$')/lib/systemd/system/unikernel-${name}.service
    cat $unit
    ${lib.concatMapStrings (line: "grep -qxF -- ${lib.escapeShellArg line} $unit || { echo ${lib.escapeShellArg "missing: ${line}"}; exit 1; }\n") lines}
    ! grep -E -- ${lib.escapeShellArg forbidden.${name}} $unit || exit 1
  '';
in
world.run { name = "module-units"; } ''
  ${builtins.concatStringsSep "" (lib.mapAttrsToList compare expected)}
  touch $out
''
