# A bridge, by its name, that takes over a machine's interface to the others, and its address.
name:
{ config, lib, ... }:
{
  networking.bridges.${name}.interfaces = [ "eth1" ];
  networking.interfaces.eth1 = {
    ipv4.addresses = lib.mkForce [ ];
    ipv6.addresses = lib.mkForce [ ];
  };
  networking.interfaces.${name}.ipv4.addresses = [
    {
      address = config.networking.primaryIPAddress;
      prefixLength = 24;
    }
  ];
}
