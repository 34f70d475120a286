# The judge of boot tests: rumpkin-boottest (tests/boot).
{ mkProgram }:
mkProgram {
  name = "boottest";
  members = [
    "tests/boot"
    "pkgs/bake"
    "pkgs/format"
    "layers/4-kernel/configuration"
  ];
}
