# redis: a store of keys and values, in memory.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "redis";
  description = "redis, a store of keys and values in memory";
  package = packages.redis;
  program = "${packages.redis}/bin/redis-server";
  args = [ "${./redis.conf}" ];
  forward = [ "6379:6379" ];
}
// {
  test = {
    port = 6379;
    memory = 64;
    client = ./client.sh;
    programs = [ packages.redis ];
  };
}
