# The site, a part of it, and a page that is not there.
eventually fetch /
fetch / | grep -i '<title>'
head_of / | grep -i 'content-type: text/html'
head_of /absent | grep ' 404 '
printf 'GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-14\r\nConnection: close\r\n\r\n' | connect | grep ' 206 '
