# A build that does not run where all do is refused with the mend.
{ world }:
let
  place = import ../worlds/place.nix;
in
world.run { name = "place-of-builds"; } ''
  if (${place.insist}) 2> said; then
    echo "it may run in $PWD"
    exit 1
  fi
  cat said
  grep -q "runs in $PWD, but has to run in ${place.workspace}" said
  grep -q -- '--option sandbox true' said
  mkdir ${place.workspace}
  (cd ${place.workspace}; ${place.insist})
  touch $out
''
