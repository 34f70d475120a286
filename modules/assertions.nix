# What cannot work, said before it is built: clashes between unikernels, and options that contradict each other.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  unikernels = lib.filterAttrs (_: unikernel: unikernel.enable) config.services.unikernels;
  named = lib.mapAttrsToList (name: unikernel: { inherit name unikernel; }) unikernels;

  # The host's system; images and launcher are made for one.
  inherit (pkgs.stdenv.hostPlatform) system;

  # An assertion about each unikernel.
  each = holds: message: map ({ name, unikernel }: {
    assertion = holds unikernel;
    message = "services.unikernels.${name}: ${message unikernel}";
  }) named;

  # Things that some unikernels have, each with whose it is: `{ name, … }`.
  collect = get: lib.concatMap ({ name, unikernel }: map (thing: thing // { inherit name; }) (get unikernel)) named;

  # No two of them may clash.
  distinct =
    things: clash: message:
    lib.imap0 (index: thing: {
      assertion = !(lib.any (clash thing) (lib.drop (index + 1) things));
      message = "services.unikernels.${thing.name}: ${
        message thing (lib.findFirst (clash thing) thing (lib.drop (index + 1) things))
      }";
    }) things;

  forwards = collect (unikernel: lib.concatMap (interface: interface.forwardPorts) unikernel.interfaces);
  anywhere = forward: forward.address == "0.0.0.0";
  onOnePort =
    one: other:
    one.protocol == other.protocol
    && one.host == other.host
    && (one.address == other.address || anywhere one || anywhere other);

  withMac = collect (unikernel: lib.filter (interface: interface.mac != null) unikernel.interfaces);
  taps = collect (unikernel: lib.filter (interface: interface.type == "tap" && interface.device != null) unikernel.interfaces);

  withAddress = collect (
    unikernel:
    lib.filter (
      interface: interface.type == "bridge" && interface.address != null && interface.address != "dhcp"
    ) unikernel.interfaces
  );
  withoutPrefix = interface: lib.head (lib.splitString "/" interface.address);

  folders = collect (unikernel: [ { inherit (unikernel) stateDir; } ]);

  # Where a name leads, without the detours that are in it.
  place =
    unikernel: path:
    let
      whole = if lib.hasPrefix "/" path then path else "${unikernel.stateDir}/${path}";
      step =
        place: part:
        if part == "" || part == "." then
          place
        else if part == ".." then
          lib.take (builtins.length place - 1) place
        else
          place ++ [ part ];
    in
    "/" + lib.concatStringsSep "/" (lib.foldl' step [ ] (lib.splitString "/" whole));
  disks = collect (
    unikernel: map (disk: disk // { path = place unikernel disk.path; }) unikernel.disks
  );

  # The options of `rumpkin run`, as the launcher itself tells them.
  run = builtins.fromJSON (builtins.readFile ../docs/launcher.options.json);
  # Those for which the module has options of its own, or which the unit always has.
  notExtra = lib.attrNames (lib.getAttrs [
    "name"
    "hypervisor"
    "memory"
    "machine"
    "accel"
    "qemu"
    "sandbox"
    "forward"
    "tap"
    "bridge"
    "mac"
    "mtu"
    "vhost"
    "disk"
    "env"
    "hostname"
    "address"
    "gateway"
    "nameserver"
    "credential"
    "ready"
    "grace"
  ] run);
  extra = unikernel: lib.intersectLists notExtra (lib.attrNames unikernel.extraArgs);
  unknown = unikernel: lib.subtractLists (lib.attrNames run) (lib.attrNames unikernel.extraArgs);

  allInterfaces = test: unikernel: lib.all test unikernel.interfaces;
  onQemu = unikernel: unikernel.hypervisor == "qemu";
  # Options that are set and that QEMU alone knows; `qemu` itself has a value always.
  forQemu =
    unikernel:
    lib.attrNames (
      lib.filterAttrs (_: isSet: isSet) {
        machine = unikernel.machine != run.machine.default;
        accel = unikernel.accel != run.accel.default;
        cpuAffinity = unikernel.cpuAffinity != null;
        groups = unikernel.groups != [ ];
        mtu = !allInterfaces (interface: interface.mtu == null) unikernel;
        vhost = !allInterfaces (interface: !interface.vhost) unikernel;
      }
    );
  readyPort =
    unikernel:
    if unikernel.ready != null && lib.hasPrefix "tcp:" unikernel.ready then lib.removePrefix "tcp:" unikernel.ready else null;
in
{
  config.assertions =
    lib.optional (named != [ ]) {
      assertion = system == "x86_64-linux";
      message = "services.unikernels: unikernels run on hosts of the system x86_64-linux, and this one is ${system}: deploy them on another, or set `enable = false`";
    }
    ++ (map ({ name, ... }: {
      assertion = builtins.match "[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}" name != null;
      message = "services.unikernels.\"${name}\": a name has at most 64 letters, digits, hyphens, points and underscores, and begins with a letter or digit";
    }) named)
    ++ each (unikernel: (unikernel.image == null) != (unikernel.app == null)) (_: "give either `image` or `app`, not both or none")
    ++ each (unikernel: builtins.length unikernel.interfaces <= 1) (_: "a guest has one interface, as its kernel has one link: leave one in `interfaces`")
    ++ each (allInterfaces (interface: (interface.type == "user") == (interface.device == null))) (
      _: "an interface of type tap or bridge needs the name of that in `device`, and one of type user has none"
    )
    ++ each (allInterfaces (interface: interface.forwardPorts == [ ] || interface.type == "user")) (
      _: "`forwardPorts` is of interfaces of type user; on a tap or bridge the guest has its own address"
    )
    ++ each (allInterfaces (interface: !interface.vhost || interface.type != "user")) (
      _: "`vhost` needs an interface of type tap or bridge"
    )
    ++ each (unikernel: onQemu unikernel || config.virtualisation.xen.enable or false) (
      _: "hypervisor xen needs a Xen host: set virtualisation.xen.enable, or hypervisor = \"qemu\""
    )
    ++ each (unikernel: onQemu unikernel || allInterfaces (interface: interface.type == "bridge") unikernel) (
      _: "Xen puts guests on bridges: give interfaces of type bridge"
    )
    ++ each (unikernel: onQemu unikernel || forQemu unikernel == [ ]) (
      unikernel: "on Xen, what is for QEMU has no effect: remove ${lib.concatMapStringsSep ", " (name: "`${name}`") (forQemu unikernel)}"
    )
    ++ each
      (
        unikernel:
        !unikernel.openFirewall
        || lib.any (interface: lib.any (forward: !lib.hasPrefix "127." forward.address) interface.forwardPorts) unikernel.interfaces
      )
      (_: "`openFirewall` opens nothing: no port in `forwardPorts` has an address that others reach, such as 0.0.0.0")
    ++ each
      (
        unikernel:
        readyPort unikernel == null
        || !onQemu unikernel
        || lib.any (
          interface:
          interface.type != "user"
          || lib.any (forward: forward.protocol == "tcp" && toString forward.guest == readyPort unikernel) interface.forwardPorts
        ) unikernel.interfaces
      )
      (unikernel: "`ready` waits for the guest's port ${toString (readyPort unikernel)}, to which no port in `forwardPorts` leads")
    ++ each
      (
        unikernel:
        readyPort unikernel == null
        || allInterfaces (
          interface: interface.type == "user" || interface.address != null && interface.address != "dhcp"
        ) unikernel
      )
      (_: "`ready` with a port needs the guest's `address`; without one, wait for a line of its console")
    ++ each (unikernel: extra unikernel == [ ]) (
      unikernel: "`extraArgs` has ${lib.concatStringsSep ", " (extra unikernel)}: say it by the module's own options"
    )
    ++ each (unikernel: unknown unikernel == [ ]) (
      unikernel: "`extraArgs` has ${lib.concatStringsSep ", " (unknown unikernel)}, which `rumpkin run` does not know: there are ${
        lib.concatStringsSep ", " (lib.subtractLists notExtra (lib.attrNames run))
      }"
    )
    ++ each (unikernel: lib.all (name: builtins.match "[a-zA-Z0-9._-]+" name != null) (lib.attrNames unikernel.credentials)) (
      _: "names in `credentials` are names of files: letters, digits, hyphens, points and underscores"
    )
    ++ distinct forwards onOnePort (
      forward: other: "the host's ${forward.protocol} port ${toString forward.host} is also forwarded to ${other.name}"
    )
    ++ distinct withMac (one: other: lib.toLower one.mac == lib.toLower other.mac) (
      interface: other: "${other.name} has the same hardware address ${interface.mac}"
    )
    ++ distinct withAddress (one: other: one.device == other.device && withoutPrefix one == withoutPrefix other) (
      interface: other: "${other.name} has the same address ${withoutPrefix interface} on ${interface.device}"
    )
    ++ distinct folders (one: other: one.stateDir == other.stateDir) (
      folder: other: "${other.name} has the same stateDir ${folder.stateDir}"
    )
    ++ distinct taps (one: other: one.device == other.device) (
      interface: other: "${other.name} is on the same tap ${interface.device}; a tap carries one guest, a bridge several"
    )
    ++ distinct disks (one: other: one.path == other.path && !(one.readOnly && other.readOnly)) (
      disk: other: "${other.name} uses the disk ${disk.path}, too; that is safe only if both have readOnly"
    );
}
