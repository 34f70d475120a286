# Unikernels as services of a real systemd: a Debian guest, booted in the sandbox, in which `rumpkin unit` deploys images.
# The guest runs them under QEMU, within QEMU, or is Xen's dom0, both in software emulation.
{
  world,
  tools,
  apps,
  mkUnikernel,
}:
let
  # What the guest finds beside Debian's files. The launcher's and QEMU's places in the store are theirs there, too.
  archive =
    {
      name,
      # The tests, a script.
      suite,
      # A package that is taken along with all that it refers to.
      closure,
      # Modules of the kernel, in the order in which they are loaded.
      modules,
      # What else there is to do in the guest's root folder.
      script,
    }:
    world.run
      {
        name = "debian-${name}.cpio";
        env.exportReferencesGraph = [
          "closure"
          closure
        ];
      }
      ''
        cp -a ${world.systemd} root
        chmod -R u+w root
        cd root
        mkdir -p .${builtins.storeDir} dev mnt proc sys run tmp var/tmp etc/systemd/system images modules root
        chmod 1777 tmp var/tmp
        for path in $(grep '^/' ../closure | sort -u); do cp -a $path .${builtins.storeDir}/; done
        cp ${tools}/bin/rumpkin usr/bin/
        cp ${apps.httpd} images/httpd
        cp ${suite} suite
        cp ${./common} common
        cp ${./init} init
        cp ${./suite.service} etc/systemd/system/suite.service
        chmod +x suite init
        echo 0123456789abcdef0123456789abcdef > etc/machine-id
        printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > etc/passwd
        printf 'root:x:0:\ndisk:x:6:\nkvm:x:100:\nnogroup:x:65534:\n' > etc/group
        echo 'NAME=test' > etc/os-release
        # Nothing here needs them, and they need more than there is.
        for unit in systemd-logind systemd-networkd systemd-resolved systemd-firstboot systemd-sysusers getty@tty1 systemd-random-seed systemd-update-utmp; do
          ln -s /dev/null etc/systemd/system/$unit.service
        done
        for module in ${toString modules}; do
          find ${world.xen.linux}/modules/ -name $module.ko -exec cp {} modules/ \;
          echo $module >> modules/order
        done
        ${script}
        find . -exec touch -h -d @1 {} +
        find . | sort | cpio -o -H newc -R 0:0 --renumber-inodes > $out
      '';

  onQemu = archive {
    name = "with-qemu";
    suite = ./on-qemu;
    closure = world.qemu;
    modules = [
      "llc"
      "stp"
      "bridge"
      "tun"
      "loop"
    ];
    script = ''
      chmod -R u+w .${world.qemu}
      rm -rf .${world.qemu}/usr/libexec
      ln -s ${world.qemu}/bin/qemu-system-x86_64 usr/bin/
      cp ${../../apps/httpd/www/index.html} index.html
      cp ${import ../../nixos-tests/next.nix { inherit apps mkUnikernel; }} images/next
      cp ${../../nixos-tests/www/index.html} next.html
    '';
  };

  onXen = archive {
    name = "on-xen";
    suite = ./on-xen;
    closure = world.xen.tools;
    modules = import ../xen/modules.nix;
    script = ''
      for program in ${world.xen.tools}/bin/*; do ln -s $program usr/bin/; done
      mkdir -p .${dirOf world.xen.helpers} etc/xen/scripts
      ln -s ${world.xen.tools}/bin .${world.xen.helpers}
      cp ${../xen/dom0/block} etc/xen/scripts/block
      cp ${../xen/dom0/vif-bridge} etc/xen/scripts/vif-bridge
      chmod +x etc/xen/scripts/*
      echo 'autoballoon="off"' > etc/xen/xl.conf
    '';
  };

  # Boots a machine by a command line of QEMU, and judges what its suite says.
  boot =
    name: qemu:
    world.run
      {
        inherit name;
        tools = [ world.qemu ];
      }
      ''
        timeout 900 ${qemu} </dev/null | tee console
        tr -d '\r' < console > lines
        ! grep '^not ok' lines || exit 1
        plan=$(sed -n 's/^1\.\.//p' lines)
        [ -n "$plan" ] && [ "$plan" = "$(grep -c '^ok' lines)" ]
        grep '^ok\|^# ' lines > $out
      '';
  linux = "quiet rdinit=/init mitigations=off panic=-1";
in
{
  service = boot "service" (
    "qemu-system-x86_64 -M q35 -accel tcg -cpu max -smp 1,maxcpus=2 -m 1280 -nodefaults -no-reboot -display none -serial stdio "
    + "-kernel ${world.xen.linux}/vmlinux -initrd ${onQemu} -append 'console=ttyS0 ${linux}'"
  );

  service-on-xen = boot "service-on-xen" (
    import ../xen/qemu.nix {
      inherit world;
      memory = 1024;
      # Saving the FPU lazily corrupts dom0's memory under emulation.
      xen = "dom0_mem=768M spec-ctrl=eager-fpu";
    }
    + " -initrd '${world.xen.linux}/vmlinux console=hvc0 ${linux} swiotlb=512 lsm= audit=0 cryptomgr.notests random.trust_cpu=on,${onXen}'"
  );
}
