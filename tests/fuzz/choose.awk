# Chooses few inputs that together reach most: the greedy cover of the features in libFuzzer's merge control file.
# Usage: awk -v most=40 -v limit=16384 -f choose.awk CONTROL; files of at most that many bytes are chosen and printed.
NR == 1 { files = $1; next }
NR == 2 { next }
NR <= files + 2 { name[NR - 3] = $0; next }
$1 == "STARTED" { size[$2] = $3 }
$1 == "FT" { count[$2] = NF - 2; for (i = 3; i <= NF; i++) { feature[$2, i - 3] = $i } }
END {
  for (chosen = 0; chosen < most; chosen++) {
    best = -1
    gain = 0
    for (file = 0; file < files; file++) {
      if (taken[file] || count[file] <= gain || size[file] > limit) continue
      new = 0
      for (i = 0; i < count[file]; i++) if (!(feature[file, i] in seen)) new++
      if (new > gain || new == gain && new > 0 && size[file] < size[best]) { best = file; gain = new }
    }
    if (best < 0) break
    taken[best] = 1
    print name[best]
    for (i = 0; i < count[best]; i++) seen[feature[best, i]]
  }
}
