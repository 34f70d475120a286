# Notes that twelve clients keep at the same time are all there.
eventually fetch /notes
is "$(fetch /notes)" '[]'
for i in $(seq 12); do post /notes "note $i" > "answer$i" & done
wait
is "$(cat answer* | tr '{' '\n' | grep -c '"id"')" 12
fetch "/notes/12" | grep '"note '
head_of /absent | grep ' 404 '
