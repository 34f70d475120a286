# How QEMU is called to run Xen in software emulation: a command line for a shell script, up to what Xen boots.
{
  world,
  # MiB.
  memory,
  # Xen's command line beside its console.
  xen,
}:
let
  # What QEMU emulates of these makes dom0 (smap), guests (rdtscp) or Xen's idle loop (monitor) fail.
  processor = "EPYC,-smap,-smep,-monitor,-rdtscp,+svm,+npt";
in
builtins.concatStringsSep " " [
  "qemu-system-x86_64 -accel tcg -cpu ${processor} -machine q35 -m ${toString memory} -smp 1,maxcpus=2"
  "-nodefaults -no-user-config -no-reboot -display none -serial stdio"
  "-kernel ${world.xen.hypervisor} -append 'console=com1 com1=115200,8n1 bootscrub=0 edd=off guest_loglvl=all ${xen}'"
]
