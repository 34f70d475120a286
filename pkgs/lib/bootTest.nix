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
  # Seconds that it may take, on a busy machine.
  limit ? 900,
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
            inherit machine script;
            least = "8";
            passAsFile = [ "script" ];
          };
        }
        ''
          status=0
          timeout ${toString limit} sh -euo pipefail $scriptPath || status=$?
          # That it was ended by a signal; nobody else sends one.
          [ $status != 143 ] || echo "boot-${name}-${machine}: no end after ${toString limit} s"
          [ $status = 0 ]
          touch $out
        '';
  }) machines
)
