# memcached: a cache in memory, with four threads.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "memcached";
  description = "memcached, a cache in memory";
  package = packages.memcached;
  program = "${packages.memcached}/bin/memcached";
  args = [
    "--user=root"
    "--listen=0.0.0.0"
    "--threads=4"
    "--memory-limit=32"
    "--disable-watch"
  ];
  forward = [ "11211:11211" ];
}
// {
  test = {
    port = 11211;
    memory = 128;
    client = ./client.sh;
    # It ends by exit(3) when it is asked to.
    status = 0;
  };
}
