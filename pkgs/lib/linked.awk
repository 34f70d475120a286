# From a Cargo.lock and the output of `cargo tree --prefix none --format '{p}|{l}'`: a line for each crate, with tabs between
# package URL, name, version, licence, checksum and folder; a hyphen stands for what there is not.
# Usage: awk -v workspace=FOLDER -f linked.awk Cargo.lock TREE

FNR == NR {
  if ($1 == "[[package]]") name = version = ""
  if ($1 == "name") name = unquoted($3)
  if ($1 == "version") version = unquoted($3)
  if ($1 == "checksum") sum[name, version] = unquoted($3)
  next
}

# "name v1.2.3 (/build/ws/folder)|licence (*)"; the folder is of crates that were not downloaded.
{
  sub(/ \(\*\)$/, "")
  licence = $0; sub(/^[^|]*\|/, "", licence); if (licence == "") licence = "-"
  sub(/\|.*/, "")
  version = substr($2, 2)
  folder = "-"
  if ((place = index($0, "(" workspace)) > 0) {
    folder = substr($0, place + 1 + length(workspace)); sub(/\).*/, "", folder); sub(/^\//, "", folder)
    if (folder == "") folder = "."
  }
  purl = "-"
  if (!(($1, version) in sum)) sum[$1, version] = "-"
  else purl = "pkg:cargo/" $1 "@" version
  line = purl "\t" $1 "\t" version "\t" licence "\t" sum[$1, version] "\t" folder
  if (!(line in seen)) print line
  seen[line]
}

function unquoted(text) { gsub(/"/, "", text); return text }
