# A check whose outcome was found by evaluation: lines that begin with "ok" or "not ok".
{ world }:
name: lines:
world.run
  {
    inherit name;
    env = {
      report = builtins.concatStringsSep "\n" lines + "\n";
      passAsFile = [ "report" ];
    };
  }
  ''
    cat $reportPath
    ! grep '^not ok' $reportPath || exit 1
    grep -c '^ok' $reportPath > $out
  ''
