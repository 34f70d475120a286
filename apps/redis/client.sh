# Keys, lists, a script in Lua, a subscription and a load.
ask() { redis-cli -h "$HOST" -p "$PORT" "$@"; }
eventually ask ping
is "$(ask set colour green)" OK
is "$(ask get colour)" green
is "$(ask rpush numbers 1 2 3)" 3
is "$(ask lrange numbers 0 -1 | tr '\n' ' ')" '1 2 3 '
is "$(ask eval 'return redis.call("llen", KEYS[1]) * 14' 1 numbers)" 42
is "$(ask -n 3 dbsize)" 0
redis-benchmark -h "$HOST" -p "$PORT" -n 3000 -c 20 -P 8 -q -t set,get,lpush,zadd
ask info commandstats | grep '^cmdstat_zadd:calls=3000'
