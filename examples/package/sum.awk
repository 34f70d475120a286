# Adds up the second column by the first.
{ sum[$1] += $2; if (!($1 in seen)) order[++count] = $1; seen[$1] }
END { for (i = 1; i <= count; i++) print order[i], sum[order[i]] }
