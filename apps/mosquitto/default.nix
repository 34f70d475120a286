# mosquitto: a broker of messages by MQTT.
{ mkUnikernel, packages }:
mkUnikernel {
  name = "mosquitto";
  description = "mosquitto, a broker of messages by MQTT";
  package = packages.mosquitto;
  program = "${packages.mosquitto}/bin/mosquitto";
  args = [
    "-c"
    "${./mosquitto.conf}"
  ];
  forward = [ "1883:1883" ];
}
// {
  test = {
    port = 1883;
    memory = 64;
    client = ./client.sh;
    programs = [ packages.mosquitto ];
  };
}
