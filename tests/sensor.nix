# The sensor's image: small, without a symbol of layer 5, of components that it does not name or of drivers that it has no use for;
# and its first packet is out soon after the machine was entered.
{
  world,
  layers,
  tools,
  imageTools,
}:
let
  image = layers.image.for {
    app = "sensor";
    platforms = [ "hw" ];
  };
  everywhere = layers.image.for { app = "sensor"; };
in
{
  app-without-userspace =
    world.run
      {
        name = "app-without-userspace";
        tools = [ world.gcc ];
      }
      ''
        words='rumpkin_base|rumpkin_vfs|rumpkin_process|rumpkin_signal|rumpkin_mmap|rumpkin_system::|rumpkin_exec|rumpkin_event|rumpkin_time|rumpkin_virtio::block|rumpkin_virtio::console|rumpkin_xen::devices::block'
        # The words are right if they are found where they belong.
        nm -C ${layers.image}/boot/kernel.debug > program
        for word in $(echo $words | tr '|' ' '); do grep -q $word program || { echo "no $word in any image"; exit 1; }; done
        for kernel in ${image} ${everywhere}; do
          nm -C $kernel/boot/kernel.debug > symbols
          grep -q rumpkin_net symbols
          ! grep -E "$words" symbols || exit 1
          ! grep '^rumpkin-base ' $kernel/compiled || exit 1
          # To choose an app compiles the composition root alone.
          echo 'rumpkin-image 0.1.0' | cmp - $kernel/compiled-here
          strings $kernel/boot/kernel | grep -F '"components":["net"]'
        done
        size=$(stat -c %s ${image}/boot/kernel)
        {
          echo "$size bytes for PC hardware alone"
          echo "$(stat -c %s ${everywhere}/boot/kernel) bytes for every platform"
        } | tee $out
        [ $size -lt 295000 ] || { echo "the sensor's image has 295,000 bytes or more"; exit 1; }
      '';

  # A nanosecond for each instruction: guest time, whatever else this machine does, and without what QEMU takes to translate.
  sensor-first-packet =
    world.run
      {
        name = "sensor-first-packet";
        tools = [
          world.qemu
          tools
          imageTools
        ];
      }
      ''
        rumpkin-bake --kernel ${image}/boot/kernel -o image
        run=$TMPDIR/run
        mkdir $run
        cat > $run/configuration.json <<'END'
        {"network":{"address":"10.0.2.15/24"},"sensor":{"collector":"10.0.2.2:9000"}}
        END
        for machine in microvm q35 pc; do
          command=$(rumpkin run --machine $machine --accel tcg --memory 4 --config $run/configuration.json --print-command $PWD/image)
          rm -f $run/control
          : > $machine.log
          eval "exec $(echo "$command" | sed "s|\\\$RUN|$run|g") -icount shift=0,sleep=off" < /dev/null > $machine.log 2>&1 &
          guest=$!
          for second in $(seq 120); do
            ! grep -q 'first packet' $machine.log || break
            sleep 1
          done
          kill $guest
          wait $guest || true
          microseconds=$(sed -n 's/.*first packet \([0-9]*\),.*/\1/p' $machine.log)
          [ -n "$microseconds" ] || { echo "$machine: no packet"; cat $machine.log; exit 1; }
          echo "$machine: first packet $microseconds µs after entry" | tee -a $out
          [ $microseconds -lt 10000 ] || { echo "that is more than 10 ms"; exit 1; }
        done
      '';
}
