# Boots an image under QEMU in Nix's sandbox and lets a shell script judge it: one derivation per machine type.
#
# The script has the commands of tests/boot.sh. The guest is started by the launcher, in software emulation, so
# that the result does not depend on the machine that builds.
{ world, tools }:
{
  name,
  image,
  # What to do and to expect; by default the program must end with status 0.
  script ? ''
    run_guest
    expect_status 0
  '',
  # Memory of the guest, in MiB.
  memory ? 64,
  # Programs that the script needs.
  programs ? [ ],
  machines ? [
    "pc"
    "q35"
    "microvm"
  ],
}:
builtins.listToAttrs (
  map (machine: {
    name = machine;
    value =
      world.run
        {
          name = "boot-${name}-${machine}";
          tools = programs ++ [
            tools
            world.qemu
          ];
          env = {
            inherit image machine;
            memory = toString memory;
          };
        }
        ''
          . ${../tests/boot.sh}
          ${script}
          stop_guest
          cp console $out
        '';
  }) machines
)
