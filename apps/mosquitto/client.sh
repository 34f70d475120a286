# A message reaches who waits for it; one that is kept reaches who comes later.
publish() { mosquitto_pub -h "$HOST" -p "$PORT" "$@"; }
listen() { mosquitto_sub -h "$HOST" -p "$PORT" -W 60 "$@"; }
eventually publish -t ready -m 1
publish -t weather/kept -r -q 1 -m 'fog'
is "$(listen -t weather/kept -C 1)" fog
listen -t 'weather/#' -R -C 100 -q 1 > heard &
listener=$!
subscribed() { [ "$(listen -t '$SYS/broker/subscriptions/count' -C 1)" -ge 0 ] && publish -t weather/first -q 1 -m 0 && [ -s heard ]; }
eventually subscribed
seq 200 | publish -t weather/numbers -q 1 -l
wait $listener
is "$(wc -l < heard | tr -d ' ')" 100
