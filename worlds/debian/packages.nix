# Programs for images, out of the pinned packages.
{
  run,
  seeds,
  debianPackage,
}:
let
  programs = {
    redis = {
      main = "redis-tools";
      program = "usr/bin/redis-server";
      licence = "BSD-3-Clause";
    };
    nginx = {
      main = "nginx";
      program = "usr/sbin/nginx";
      licence = "BSD-2-Clause";
    };
    memcached = {
      main = "memcached";
      program = "usr/bin/memcached";
      licence = "BSD-3-Clause";
    };
    haproxy = {
      main = "haproxy";
      program = "usr/sbin/haproxy";
      licence = "GPL-2.0-or-later";
    };
    lighttpd = {
      main = "lighttpd";
      program = "usr/sbin/lighttpd";
      licence = "BSD-3-Clause";
    };
    python = {
      main = "python3.11-minimal";
      program = "usr/bin/python3.11";
      licence = "PSF-2.0";
    };
    node = {
      main = "nodejs";
      program = "usr/bin/node";
      licence = "MIT";
    };
    java = {
      main = "openjdk-17-jre-headless";
      program = "usr/lib/jvm/java-17-openjdk-amd64/bin/java";
      licence = "GPL-2.0-only WITH Classpath-exception-2.0";
    };
    sqlite = {
      main = "sqlite3";
      program = "usr/bin/sqlite3";
      licence = "blessing";
    };
    dnsmasq = {
      main = "dnsmasq-base";
      program = "usr/sbin/dnsmasq";
      licence = "GPL-2.0-only OR GPL-3.0-only";
    };
    mosquitto = {
      main = "mosquitto";
      program = "usr/sbin/mosquitto";
      licence = "EPL-2.0 OR BSD-3-Clause";
    };
    lua = {
      main = "lua5.4";
      program = "usr/bin/lua5.4";
      licence = "MIT";
    };
  };

  # The pinned packages of `set`, of which the one that has the program gives version and origin.
  fromSet =
    name:
    {
      set ? name,
      main,
      program,
      licence,
      script ? "",
    }:
    let
      component = seeds.component main licence;
    in
    debianPackage {
      inherit name program licence script;
      inherit (component) purl sum;
      version = seeds.upstream component.version;
      debs = seeds.debs set;
    };

  busybox =
    let
      component = seeds.component "busybox-static" "GPL-2.0-only";
    in
    run { name = "busybox"; } ''
      mkdir -p $out/bin
      cp ${seeds.busybox}/busybox $out/bin/
    ''
    // {
      pname = component.name;
      inherit (component) version purl sum;
      meta = {
        mainProgram = "busybox";
        license.spdxId = component.licence;
      };
    };
  all = builtins.mapAttrs fromSet programs;
in
all
// {
  inherit busybox;
  # Debian's has parts of itself at a fixed place.
  node = all.node // {
    files."/usr/share/nodejs" = "${all.node}/usr/share/nodejs";
  };
}
