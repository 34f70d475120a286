# Requests go to both servers in turn, and answers come back with a header more.
eventually fetch /health
for i in $(seq 10); do fetch /; echo; done > answers
is "$(grep -c 'server 8081' answers)" 5
is "$(grep -c 'server 8082' answers)" 5
head_of / | grep -i 'x-proxied-by: haproxy'
