# Unikernels as services of a real systemd: a Debian guest, booted in the sandbox, in which `rumpkin unit` deploys images.
# QEMU runs within QEMU here, both in software emulation.
{
  world,
  tools,
  apps,
}:
let
  # What the guest finds beside Debian's files. The launcher's and QEMU's places in the store are theirs there, too.
  archive =
    world.run
      {
        name = "debian-with-unikernels.cpio";
        env.exportReferencesGraph = [
          "closure"
          world.qemu
        ];
      }
      ''
        cp -a ${world.systemd} root
        chmod -R u+w root
        cd root
        mkdir -p .${builtins.storeDir} dev mnt proc sys run tmp var/tmp etc/systemd/system images root
        chmod 1777 tmp var/tmp
        for path in $(grep '^/' ../closure | sort -u); do cp -a $path .${builtins.storeDir}/; done
        chmod -R u+w .${world.qemu}
        rm -rf .${world.qemu}/usr/libexec
        ln -s ${world.qemu}/bin/qemu-system-x86_64 usr/bin/
        cp ${tools}/bin/rumpkin usr/bin/
        cp ${apps.httpd} images/httpd
        cp ${../../apps/httpd/www/index.html} index.html
        cp ${./suite} suite
        cp ${./init} init
        cp ${./suite.service} etc/systemd/system/suite.service
        chmod +x suite init
        echo 0123456789abcdef0123456789abcdef > etc/machine-id
        printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' > etc/passwd
        printf 'root:x:0:\ndisk:x:6:\nkvm:x:100:\nnogroup:x:65534:\n' > etc/group
        mkdir modules
        for module in llc stp bridge tun loop; do
          find ${world.xen.linux}/modules/ -name $module.ko -exec cp {} modules/ \;
        done
        echo 'NAME=test' > etc/os-release
        # Nothing here needs them, and they need more than there is.
        for unit in systemd-logind systemd-networkd systemd-resolved systemd-firstboot systemd-sysusers getty@tty1 systemd-random-seed systemd-update-utmp; do
          ln -s /dev/null etc/systemd/system/$unit.service
        done
        find . -exec touch -h -d @1 {} +
        find . | sort | cpio -o -H newc -R 0:0 --renumber-inodes > $out
      '';
in
{
  service =
    world.run
      {
        name = "service";
        tools = [ world.qemu ];
      }
      ''
        timeout 900 qemu-system-x86_64 -M q35 -accel tcg -cpu max -smp 1,maxcpus=2 -m 1280 -nodefaults -no-reboot -display none \
          -serial stdio -kernel ${world.xen.linux}/vmlinux -initrd ${archive} \
          -append 'console=ttyS0 quiet rdinit=/init mitigations=off panic=-1' </dev/null | tee console
        tr -d '\r' < console > lines
        ! grep '^not ok' lines
        plan=$(sed -n 's/^1\.\.//p' lines)
        [ -n "$plan" ] && [ "$plan" = "$(grep -c '^ok' lines)" ]
        grep '^ok\|^# ' lines > $out
      '';
}
