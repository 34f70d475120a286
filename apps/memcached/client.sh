# Values are kept, counted and forgotten; ten clients at once.
ask() { printf '%s\r\n' "$@" quit | connect | tr -d '\r'; }
version() { ask version | grep '^VERSION '; }
eventually version
is "$(ask 'set colour 0 0 5' green)" STORED
is "$(ask 'get colour' | tr '\n' ' ')" 'VALUE colour 0 5 green END '
is "$(ask 'set number 0 0 2' 41 'incr number 1' | tr '\n' ' ')" 'STORED 42 '
is "$(ask 'delete colour' 'get colour' | tr '\n' ' ')" 'DELETED END '
for i in $(seq 10); do ask "set key$i 0 0 1" "$((i % 10))" > "answer$i" & done
wait
is "$(cat answer* | sort -u)" STORED
ask stats | grep 'STAT threads 4'
for i in $(seq 10); do ask "get key$i" | grep "^$((i % 10))$"; done
