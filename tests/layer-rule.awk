# Checks the layer rule over Cargo's resolved dependencies.
# Usage: cargo tree --workspace --depth 1 --prefix depth --edges normal,build --format ' {p}' | awk -v top=$PWD -v apps='NAME…' -f layer-rule.awk
# The apps are those without userspace.

BEGIN {
  count = split(apps, names, " ")
  for (i = 1; i <= count; i++) of_apps = of_apps " apps/" names[i]
  # A crate under the first path may depend on crates under the others, and on no other crate of ours.
  rule("layers/0-vocabulary", "")
  rule("layers/1-platform/", "layers/1-platform/ layers/2-core")
  rule("layers/2-core", "layers/0-vocabulary")
  rule("layers/3-rumpuser/interface", "layers/0-vocabulary")
  rule("layers/3-rumpuser/core", "layers/2-core layers/3-rumpuser/interface")
  rule("layers/3-rumpuser/c", "layers/3-rumpuser/interface")
  rule("layers/3-rumpuser/hosted", "layers/3-rumpuser/interface")
  rule("layers/4-kernel/", "layers/4-kernel/ layers/3-rumpuser/interface")
  rule("layers/4-kernel-tiny", "layers/3-rumpuser/c")
  rule("layers/5-base", "layers/4-kernel/ layers/3-rumpuser/interface")
  rule("pkgs/image", "layers/1-platform/ layers/2-core layers/3-rumpuser/interface layers/3-rumpuser/core layers/3-rumpuser/c layers/4-kernel/ layers/4-kernel-tiny layers/5-base" of_apps)
  rule("pkgs/format", "")
  rule("pkgs/tap-server", "layers/3-rumpuser/interface layers/3-rumpuser/hosted layers/4-kernel/")
  rule("pkgs/bake", "pkgs/format layers/4-kernel/configuration")
  rule("pkgs/launcher", "pkgs/format layers/4-kernel/configuration")
  rule("pkgs/manifest", "pkgs/format")
  # What runs in an image runs on any Linux and knows nothing of us.
  rule("apps/", "")
  # An app without userspace stands on the kernel.
  for (i = 1; i <= count; i++) rule("apps/" names[i], "layers/4-kernel/ layers/3-rumpuser/interface")
  rule("tests/guest/", "")
  rule("tests/bench/", "")
  rule("tests/exhaustion", "layers/3-rumpuser/interface layers/3-rumpuser/hosted layers/4-kernel/ layers/5-base")
  rule("tests/fuzz", "layers/3-rumpuser/interface layers/3-rumpuser/hosted layers/4-kernel/ layers/5-base")
  rule("tests/rumpuser", "layers/3-rumpuser/c layers/3-rumpuser/hosted layers/3-rumpuser/interface")
  # The machine that the tests of platforms' drivers run on.
  rule("tests/simulated-machine", "layers/2-core")
  rule("tests/structure", "")
  rule("tests/boot", "pkgs/format pkgs/bake pkgs/launcher")
}

function rule(from, to) { order[++rules] = from; allowed[from] = to }

# The path of a crate of ours inside the workspace, or nothing.
function ours(line) {
  if (!match(line, /\(\/[^)]*\)/)) return ""
  line = substr(line, RSTART + 1, RLENGTH - 2)
  return index(line, top "/") == 1 ? substr(line, length(top) + 2) : ""
}

function permitted(path,    prefixes, count, i) {
  count = split(allowed[governing], prefixes, " ")
  for (i = 1; i <= count; i++) if (index(path "/", prefixes[i]) == 1) return 1
  return 0
}

/^0/ {
  from = ours($0)
  governing = ""
  if (from == "") next
  crates++
  for (i = 1; i <= rules; i++) if (index(from "/", order[i]) == 1) governing = order[i]
  if (governing == "") { print from " belongs to no layer"; wrong++ }
}

/^1/ {
  to = ours($0)
  if (to == "" || governing == "") next
  edges++
  if (!permitted(to)) { print from " must not depend on " to; wrong++ }
}

END {
  print crates + 0 " crates, " edges + 0 " dependencies among them, " wrong + 0 " against the rule"
  if (!crates || !edges || wrong) exit 1
}
