# The initramfs of the tests' dom0: a Linux that runs Xen's toolstack from memory (newc cpio).
#
# It boots, starts the toolstack's daemons, makes a bridge xenbr0 with the address 10.0.9.1/24 (and 10.0.2.2/24 and a DHCP server,
# as QEMU's own network has), and runs what it finds in /suite, which a second archive brings (xenTest.nix).
{ world }:
let
  inherit (world) xen;
  archive = import ./archive.nix { inherit world; };

  modules = import ./modules.nix;

  # Options of modules, by name.
  options.xen-netback = "max_queues=2";
in
archive {
  name = "dom0";
  closure = xen.tools;
  script = ''
    mkdir -p bin dev etc/xen/scripts lib/modules proc run/xen run/xenstored sys tmp var/lib/xen var/lib/xenstored var/log/xen
    ln -s ../run var/run
    mkdir -p run/lock
    ln -s ../run/lock var/lock
    cp ${world.busybox} bin/busybox
    cp ${./dom0/init} init
    cp ${./dom0/udhcpd.conf} etc/udhcpd.conf
    cp ${./dom0/block} etc/xen/scripts/block
    cp ${./dom0/vif-bridge} etc/xen/scripts/vif-bridge
    chmod +x init etc/xen/scripts/*
    echo 'autoballoon="off"' > etc/xen/xl.conf
    echo 'root:x:0:0::/:/bin/sh' > etc/passwd

    for program in ${xen.tools}/bin/*; do ln -s $program bin/; done
    mkdir -p .${dirOf xen.helpers}
    ln -s ${xen.tools}/bin .${xen.helpers}

    module() { # NAME [OPTIONS]
      file=$(find ${xen.linux}/modules/ -name "$1.ko" -o -name "$1.ko.xz")
      # What is part of the kernel has no file.
      [ -n "$file" ] || return 0
      case $file in
        *.xz) xz -dc "$file" > lib/modules/$1.ko ;;
        *) cat "$file" > lib/modules/$1.ko ;;
      esac
      strip -g lib/modules/$1.ko
      echo "$1.ko $2" >> lib/modules/order
    }
    ${builtins.concatStringsSep "\n" (map (name: "module ${name} '${options.${name} or ""}'") modules)}
  '';
}
