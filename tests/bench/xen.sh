#!/bin/sh
# Measures, in dom0, a unikernel's domain against Linux's: prints lines "figure NAME SYSTEM VALUE". rig/xen.py says what is
# in /suite, and ROUNDS, SECONDS_EACH and MEMORY.
set -eu

fail() {
  echo "bench: $*" >&2
  cat /tmp/console >&2
  exit 1
}

# The domain that was started last.
newest() { xl list | awk 'NR > 1 && $2 + 0 > highest { highest = $2 + 0 } END { print highest }'; }

# Seconds of processor time of the newest domain.
processor() { xl list "$(newest)" | awk 'NR == 2 { print $NF }'; }

start_unikernel() { # PROGRAM ARGUMENT…
  image=/suite/$1
  shift
  rumpkin run --hypervisor xen --memory "$MEMORY" --bridge xenbr0 --address 10.0.9.2/24 --disk /tmp/disk "$image" -- "$@" \
    >/tmp/console 2>&1 &
}

start_linux() { # PROGRAM, whose arguments are in its initramfs
  losetup /dev/loop7 /tmp/disk
  cat >/tmp/linux.cfg <<EOF
name = "linux"
type = "pvh"
kernel = "/suite/vmlinux"
ramdisk = "/suite/linux-$1.cpio"
cmdline = "console=hvc0 quiet panic=-1 mitigations=off"
memory = $MEMORY
vif = [ "bridge=xenbr0" ]
disk = [ "format=raw, vdev=xvda, access=rw, target=/dev/loop7" ]
EOF
  xl create -q -F -c /tmp/linux.cfg >/tmp/console 2>&1 &
}

stop() {
  xl destroy "$(newest)"
  wait
  losetup -d /dev/loop7 2>/dev/null || true
}

# Waits until this command succeeds.
until_it_does() { # COMMAND…
  tries=0
  until "$@" >/tmp/tried 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "$* does not succeed: $(cat /tmp/tried)"
    sleep 0.2
  done
}

httpd() { # SYSTEM
  "start_$1" httpd --log off --idle 3600
  until_it_does grep 'listening on' /tmp/console
  for _ in $(seq "$ROUNDS"); do
    before=$(processor)
    wrk -t1 -c10 --timeout 30s "-d${SECONDS_EACH}s" http://10.0.9.2:80/ >/tmp/wrk
    after=$(processor)
    awk -v name="$1" -v used="$before $after" '
      / requests in / { requests = $1 }
      /^Requests\/sec:/ { rate = $2 }
      /Socket errors|Non-2xx/ { bad = $0 }
      END {
        if (!requests || bad) { print "bench: " bad > "/dev/stderr"; exit 1 }
        split(used, time, " ")
        print "figure httpd-rate", name, rate
        print "figure httpd-processor", name, (time[2] - time[1]) / requests * 1000
      }' /tmp/wrk || fail "$(cat /tmp/wrk)"
  done
  stop
}

tcp() { # SYSTEM
  "start_$1" probe-tcp tcp 5001
  until_it_does probe receive 10.0.9.2:5001 1
  for _ in $(seq "$ROUNDS"); do
    echo "figure tcp-out $1 $(probe receive 10.0.9.2:5001 67108864)"
    echo "figure tcp-in $1 $(probe send 10.0.9.2:5001 67108864)"
  done
  stop
}

disk() { # SYSTEM DEVICE
  "start_$1" probe-disk disk "$2"
  until_it_does grep '^done' /tmp/console
  awk -v name="$1" '/^disk-/ { print "figure", $1, name, $2 + 0 }' /tmp/console
  stop 2>/dev/null || true
}

dd if=/dev/zero of=/tmp/disk bs=1M count=64 2>/dev/null
for system in unikernel linux; do
  httpd $system
  tcp $system
done
disk unikernel /dev/vda
disk linux /dev/xvda
