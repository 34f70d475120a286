# Boots an image under QEMU in Nix's sandbox and judges what it does: one derivation per machine type.
#
# The judge is `rumpkin-boottest` (tests/boot); guests run in software emulation, so that the result does not depend
# on the machine that builds.
{
  world,
  tools,
  judge,
}:
{
  name,
  # A shell script; $machine is the type of the machine, and $least how many MiB of memory the smallest guest has there.
  # Usually one call of the judge.
  script,
  # Programs that the script needs besides the judge, the launcher and QEMU.
  programs ? [ ],
  machines ? [
    "pc"
    "q35"
    "microvm"
  ],
}:
builtins.listToAttrs (
  map (machine: {
    name = "${name}-${machine}";
    value =
      world.run
        {
          name = "boot-${name}-${machine}";
          tools = programs ++ [
            judge
            tools
            world.qemu
          ];
          env = {
            inherit machine;
            least = "8";
          };
        }
        ''
          ${script}
          touch $out
        '';
  }) machines
)
