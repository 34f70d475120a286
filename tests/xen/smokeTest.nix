# Boots an image as Xen's first domain, in a second and without a toolstack: the base of the platform, but neither
# xenstore nor devices. Xen gives a PVH dom0 no machine to switch off; it says that dom0 has halted.
{ world }:
{
  name,
  image,
  # What the configuration is to be, and the status that the program must end with.
  configuration,
  status,
  # A line of the console.
  expect,
}:
let
  qemu = import ./qemu.nix {
    inherit world;
    memory = 256;
    xen = "dom0=pvh dom0_mem=64M";
  };
in
world.run
  {
    name = "xen-smoke-${name}";
    tools = [ world.qemu ];
    env = {
      json = builtins.toJSON configuration;
      passAsFile = [ "json" ];
    };
  }
  ''
    cp $jsonPath configuration.json
    # A PVH dom0 needs an IOMMU.
    ${qemu} -device amd-iommu -initrd '${image},configuration.json' < /dev/null > log 2>&1 &
    tries=0
    until grep -q 'Hardware Dom0 ' log || [ $tries = 1800 ]; do
      tries=$((tries + 1))
      sleep 0.1
    done
    kill $!
    [ $tries != 1800 ] || echo "xen: the guest has not ended within 180 s"
    tr -d '\r' < log | sed -n '/Freed .* init memory/,$p' | tee console
    grep -Fx '(d0) exit ${toString status}' console
    grep -Fx '${expect}' console
    touch $out
  ''
