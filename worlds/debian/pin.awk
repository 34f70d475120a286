# Turns pins/roots and an index of Debian packages into pins/debs.json: every set's closure of dependencies,
# and each package's file and hash. Usage: awk -f pin.awk roots Packages

function fail(message) { print "pin: " message > "/dev/stderr"; failed = 1; exit 1 }

# The first alternative of a dependency, without version and architecture.
function bare(dependency) { sub(/\|.*/, "", dependency); sub(/\(.*/, "", dependency); gsub(/[ \t]/, "", dependency); sub(/:.*/, "", dependency); return dependency }

# Adds a package and what it depends on to a set; `asked` says that it is wanted for itself.
function add(set, name, asked,    names, count, i) {
  name = bare(name)
  if (name == "" || (set, name) in unwanted || (name in without && !asked)) return
  if (!(name in file)) {
    if (!(name in provider)) fail("no package gives " name)
    name = provider[name]
    if (name in without || (set, name) in unwanted) return
  }
  if ((set, name) in member) return
  member[set, name] = 1
  used[name] = 1
  count = split(depends[name], names, ",")
  for (i = 1; i <= count; i++) add(set, names[i], 0)
}

# Sorts array[1..count] in place.
function sort(array, count,    i, j, value) {
  for (i = 2; i <= count; i++) {
    value = array[i]
    for (j = i - 1; j > 0 && array[j] > value; j--) array[j + 1] = array[j]
    array[j + 1] = value
  }
}

FNR == NR {
  if ($0 ~ /^#/ || NF < 2) next
  if ($1 == "without") for (i = 2; i <= NF; i++) without[$i] = 1
  else {
    sets[++setCount] = $1
    for (i = 2; i <= NF; i++) if (sub(/^-/, "", $i)) unwanted[$1, $i] = 1; else roots[$1] = roots[$1] " " $i
  }
  next
}

/^Package: / { package = $2 }
/^Version: / { version[package] = $2 }
/^Filename: / { file[package] = $2 }
/^SHA256: / { hash[package] = $2 }
/^(Pre-)?Depends: / { sub(/^[^:]*: /, ""); depends[package] = depends[package] "," $0 }
/^Provides: / {
  sub(/^[^:]*: /, "")
  count = split($0, names, ",")
  for (i = 1; i <= count; i++) { name = bare(names[i]); if (!(name in provider)) provider[name] = package }
}

END {
  if (failed) exit 1
  for (s = 1; s <= setCount; s++) { count = split(roots[sets[s]], names, " "); for (i = 1; i <= count; i++) add(sets[s], names[i], 1) }
  print "{"
  print "  \"sets\": {"
  for (s = 1; s <= setCount; s++) {
    count = 0
    for (key in member) { split(key, pair, SUBSEP); if (pair[1] == sets[s]) list[++count] = pair[2] }
    sort(list, count)
    printf "    \"%s\": [", sets[s]
    for (i = 1; i <= count; i++) printf "%s\"%s\"", (i > 1 ? ", " : ""), list[i]
    print (s < setCount ? "]," : "]")
  }
  print "  },"
  print "  \"packages\": {"
  count = 0
  for (name in used) list[++count] = name
  sort(list, count)
  for (i = 1; i <= count; i++)
    printf "    \"%s\": { \"version\": \"%s\", \"file\": \"%s\", \"sha256\": \"%s\" }%s\n", list[i], version[list[i]], file[list[i]], hash[list[i]], (i < count ? "," : "")
  print "  }"
  print "}"
}
