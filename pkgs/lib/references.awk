# From Nix's description of a path and what it refers to (exportReferencesGraph): the store paths, one a line, some of them several
# times. With whole=1 all of them, else those that something refers to.
# For each path there are a line with it, one that is empty, one with the number of its references, and a line for each of these.

state == "" { if (whole) print; state = "deriver"; next }
state == "deriver" { state = "count"; next }
state == "count" { left = $0; state = left > 0 ? "reference" : ""; next }
{ print; if (--left == 0) state = "" }
