# Boots Xen with a Linux dom0 under QEMU in Nix's sandbox, and runs tests in that dom0: one derivation for all of them, as
# the boot takes longer than most tests.
#
# A test is what bootTest (pkgs/lib/bootTest.nix) takes: a name and a shell script, with the judge and the launcher on its PATH;
# $machine is `xen`. The guests are domains that the launcher makes by xl.
{
  world,
  tools,
  judge,
}:
let
  archive = import ./archive.nix { inherit world; };
  dom0 = import ./dom0.nix { inherit world; };
in
{
  name,
  # { name, script, programs ? [ ] }, in the order in which they run.
  tests,
  # MiB of the machine and of dom0, whose file system is in memory, too.
  memory ? 1024,
  dom0Memory ? 512,
  # Seconds that one test may take; the first that takes longer is the last.
  limit ? 720,
}:
let
  programs = builtins.concatMap (test: test.programs or [ ]) tests;
  path = builtins.concatStringsSep ":" (
    map (program: "${program}/bin") (
      [
        judge
        tools
      ]
      ++ programs
    )
  );
  number = index: if index < 10 then "0${toString index}" else toString index;
  files = builtins.genList (index: "test${toString index}") (builtins.length tests);

  suite =
    world.run
      {
        name = "xen-suite-${name}";
        env =
          builtins.listToAttrs (
            builtins.genList (index: {
              name = "test${toString index}";
              value = (builtins.elemAt tests index).script;
            }) (builtins.length tests)
          )
          // {
            passAsFile = files;
          };
      }
      ''
        mkdir -p $out/tests
        echo 'PATH=${path}:$PATH limit=${toString limit}' > $out/environment
        ${builtins.concatStringsSep "\n" (
          builtins.genList (
            index: "cp $test${toString index}Path $out/tests/${number index}-${(builtins.elemAt tests index).name}"
          ) (builtins.length tests)
        )}
      '';

  initramfs = archive {
    name = "xen-suite-${name}";
    closure = suite;
    script = "ln -s $closure suite";
  };

  qemu = import ./qemu.nix {
    inherit world memory;
    # Saving the FPU lazily corrupts dom0's memory under emulation.
    xen = "dom0_mem=${toString dom0Memory}M spec-ctrl=eager-fpu";
  };
  linux = builtins.concatStringsSep " " [
    "console=hvc0"
    "quiet"
    "mitigations=off"
    "swiotlb=512"
    "lsm="
    "audit=0"
    "cryptomgr.notests"
    "random.trust_cpu=on"
    "panic=-1"
  ];
in
world.run
  {
    name = "xen-${name}";
    tools = [ world.qemu ];
  }
  ''
    cat ${dom0} ${initramfs} > initramfs
    ended=0
    # dom0 itself may stand still, or Xen: later than a test that dom0 can end.
    sh ${./watch} ${toString (limit + 90)} ${qemu} -device isa-debug-exit,iobase=0xf4,iosize=4 \
      -initrd '${world.xen.linux}/vmlinux ${linux},initramfs' || ended=$?
    # dom0 says N by the status 2 N + 1.
    case $ended in
      1) touch $out ;;
      3) echo 'xen: a test failed' ;;
      *) echo "xen: dom0 did not come to an end: QEMU's status is $ended" ;;
    esac
    [ $ended = 1 ]
  ''
