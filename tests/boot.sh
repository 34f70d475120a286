# shellcheck shell=sh disable=SC2154  # image, machine and memory come from the caller
# The commands of a boot test: start a guest, look at its console and exit status, talk to it.
#
# The caller sets image, machine and memory, runs under `set -eu`, and has `rumpkin` and QEMU on its PATH. The guest's
# console is the file `console`. A command whose expectation is not met shows the console and ends the test.

guest=
: >console

fail() {
  echo "on $machine: $*"
  echo "--- console"
  cat console
  exit 1
}

# Runs the guest until its program ends; `status` is then the program's. Arguments go to the launcher.
run_guest() {
  start_guest "$@"
  finish_guest
}

start_guest() {
  rumpkin run "$image" --machine "$machine" --accel tcg --memory "$memory" "$@" >console 2>&1 </dev/null &
  guest=$!
}

# Waits until the guest ends by itself, two minutes at most.
finish_guest() {
  ticks=0
  while kill -0 "$guest" 2>/dev/null; do
    [ "$ticks" -lt 1200 ] || {
      kill "$guest"
      fail "the guest did not end within 120 s"
    }
    sleep 0.1
    ticks=$((ticks + 1))
  done
  status=0
  wait "$guest" || status=$?
  guest=
}

# Asks a running guest to stop as a machine's operator would, and waits for its end.
stop_guest() {
  [ -n "$guest" ] || return 0
  kill -TERM "$guest" 2>/dev/null || true
  finish_guest
}

# Waits for a line that matches a basic regular expression.
wait_for_line() { # PATTERN [SECONDS]
  ticks=0
  until grep -q -e "$1" console; do
    kill -0 "$guest" 2>/dev/null || fail "the guest ended without a line that matches: $1"
    [ "$ticks" -lt $((${2:-60} * 10)) ] || fail "no line matches after ${2:-60} s: $1"
    sleep 0.1
    ticks=$((ticks + 1))
  done
}

expect_line() { # PATTERN
  grep -q -e "$1" console || fail "no line matches: $1"
}

expect_status() { # STATUS
  [ "$status" = "$1" ] || fail "the exit status is $status, not $1"
}
