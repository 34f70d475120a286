# Tests of domains as such, that no other machine has: scripts for xenTest, run in dom0.
{
  # Images: of the applications, and `area NAME` of a guest test program.
  apps,
  area,
  # The guest test programs themselves, for dom0.
  guest,
}:
let
  test = name: images: {
    inherit name;
    programs = [ guest ];
    script = "sh ${./domains}/${name} ${toString images}";
  };
in
[
  (test "bridge" [ (area "peer") ])
  (test "shutdown" [
    apps.httpd
    (area "peer")
  ])
  (test "backends" [
    (area "block-musl")
    (area "peer")
  ])
  (test "plugging" [
    (area "block-musl")
    (area "peer")
  ])
  (test "mtu" [ (area "peer") ])
  (test "memory" [ apps.httpd ])
  (test "unit" [ apps.httpd ])
  (test "again" [ (area "peer") ])
]
