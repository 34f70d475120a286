# A worker thread counts, OpenSSL hashes, zlib compresses; ten clients at once.
eventually fetch /
answer=$(post /count 'three short words')
is "$answer" "{\"path\":\"/count\",\"words\":3,\"sha256\":\"$(printf 'three short words' | sha256sum | cut -d ' ' -f 1)\",\"compressed\":true}"
for i in $(seq 10); do post /$i "$(seq "$i")" > "answer$i" & done
wait
for i in $(seq 10); do grep "\"words\":$i," "answer$i"; done
