# The site, its type, a page that is not there, and a hundred requests.
eventually fetch /health
is "$(fetch /health)" ok
fetch / | grep -i '<title>'
head_of / | grep -i 'content-type: text/html'
head_of /absent | grep ' 404 '
for i in $(seq 100); do is "$(fetch /health)" ok; done
