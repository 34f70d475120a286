# Boots an image and judges it: a derivation per type of machine, for the `checks` of somebody's own flake.
#
#   bootTest { name = "greeter"; inherit image; port = 80; answer = "Hello"; }
#   bootTest { name = "sum"; inherit image; args = [ "1" "2" ]; expect = [ "3" ]; }
#
# The first asks a server and stops it, the second runs a program to its end.
{ bootTest }:
{
  name,
  image,
  # A TCP port of the guest that must answer with something that contains `answer`, after `send` has been sent.
  port ? null,
  send ? "",
  answer ? "",
  # Without a port: the program's arguments, and pieces of console lines that must come, in this order.
  args ? [ ],
  expect ? [ ],
  # The exit status; with a port, after SIGTERM, where 143 is that of a program that does not handle it.
  status ? if port == null then 0 else 143,
  # Memory of the guest, in MiB.
  memory ? 64,
  machines ? [
    "pc"
    "q35"
    "microvm"
  ],
}:
assert
  port == null || (args == [ ] && expect == [ ])
  || throw "bootTest ${name}: `args` and `expect` are for programs that end; with `port` say `send` and `answer`";
assert
  port != null || (send == "" && answer == "")
  || throw "bootTest ${name}: `send` and `answer` need a `port`";
let
  inherit (import ./shell.nix) quote;
  words = builtins.concatStringsSep " ";
in
bootTest {
  inherit name machines;
  script =
    if port == null then
      "rumpkin-boottest program --machine $machine --memory ${toString memory} ${image} --status ${toString status} ${
        words (map (piece: "--expect ${quote piece}") expect)
      } -- ${words (map quote args)}"
    else
      "rumpkin-boottest answers --machine $machine --memory ${toString memory} ${image} --status ${toString status} --port ${toString port} --send ${quote send} --expect ${quote answer}";
}
