# What the clients of apps begin with (apps/NAME/client.sh), for a POSIX shell with -eu.

# Tries a command until it succeeds; who runs the client gives up in the end.
eventually() {
  until "$@" >said 2>&1; do sleep 0.3; done
}

# Compares what there is with what there should be.
is() {
  [ "$1" = "$2" ] || {
    echo "expected: $2"
    echo "     got: $1"
    exit 1
  }
}

# A connection to the guest's port: sends what it is given, prints what comes.
connect() { rumpkin-boottest connect "$HOST:$PORT"; }

# HTTP: the whole answer to a request; its head; its body, if all is well; the body of the answer to what is sent.
request() { # METHOD PATH BODY
  printf '%s %s HTTP/1.0\r\nHost: guest\r\nContent-Length: %s\r\n\r\n%s' "$1" "$2" "${#3}" "$3" | connect
}
head_of() { request GET "$1" '' | tr -d '\r' | sed '/^$/q'; }
body() { tr -d '\r' | awk 'NR == 1 && $2 !~ /^2/ { print; failed = 1; exit } found { print } /^$/ { found = 1 } END { exit failed || !found }'; }
fetch() { request GET "$1" '' | body; }
post() { request POST "$1" "$2" | body; }
