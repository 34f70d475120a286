# The sensor's image has no symbol of layer 5, and of the kernel's components none but the one that it names.
{ world, layers }:
let
  image = layers.image.for {
    app = "sensor";
    platforms = [ "hw" ];
  };
  everywhere = layers.image.for { app = "sensor"; };
in
world.run
  {
    name = "app-without-userspace";
    tools = [ world.gcc ];
  }
  ''
    words='rumpkin_base|rumpkin_vfs|rumpkin_process|rumpkin_event|rumpkin_time'
    # The words are right if they are found where they belong.
    nm ${layers.image}/boot/kernel.debug > program
    for word in $(echo $words | tr '|' ' '); do grep -q $word program || { echo "no $word in any image"; exit 1; }; done
    for kernel in ${image} ${everywhere}; do
      nm $kernel/boot/kernel.debug > symbols
      grep -q rumpkin_net symbols
      ! grep -E "$words" symbols
      ! grep -E '^(elf|rumpkin-base) ' $kernel/compiled
      strings $kernel/boot/kernel | grep -F '"components":["net"]'
    done
    {
      echo "$(stat -c %s ${image}/boot/kernel) bytes for PC hardware alone"
      echo "$(stat -c %s ${everywhere}/boot/kernel) bytes for every platform"
    } | tee $out
  ''
