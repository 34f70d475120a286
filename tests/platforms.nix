# An image is made for the platforms that are asked for: its manifest names them, and what was left out is not in it.
{
  world,
  tools,
  apps,
  mkUnikernel,
}:
let
  only =
    platform:
    mkUnikernel {
      name = "hello-${platform}";
      inherit (apps.hello) program;
      closure = false;
      platforms = [ platform ];
    };
in
world.run
  {
    name = "platform-choice";
    tools = [ tools ];
  }
  ''
    # IMAGE PLATFORMS TEXT-OF-IT TEXT-OF-ANOTHER
    examine() {
      rumpkin inspect $1 | tee description
      grep -F "\"platforms\":[$2]" description
      grep -q "$3" $1 || { echo "$1 has no $3"; exit 1; }
      [ -z "$4" ] || ! grep -q "$4" $1 || { echo "$1 has $4"; exit 1; }
    }
    examine ${apps.hello} '"xen","hw"' 'control/shutdown' ""
    examine ${apps.hello} '"xen","hw"' 'virtio-net at' ""
    examine ${only "xen"} '"xen"' 'control/shutdown' 'virtio-net at'
    examine ${only "hw"} '"hw"' 'virtio-net at' 'control/shutdown'
    touch $out
  ''
