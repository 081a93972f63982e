// MQTT broker. It listens on this device alone unless the conf says otherwise.
import { defineOptions, installDeb, lines, need, run } from "debcast";

export const options = defineOptions({
  /** Whether others in the network may connect; they need a user in /etc/mosquitto/passwd, and the port open in `nftables`. */
  network: false,
  port: 1883,
});

need("user", "lib-core");

installDeb("mosquitto", "libmosquitto1", "libcjson1", "libdlt2", "libwebsockets19t64");

run(({ write }) => {
  const access = options.network ? "allow_anonymous false\npassword_file /etc/mosquitto/passwd\n" : "allow_anonymous true\n";
  write("/etc/mosquitto/conf.d/image.conf", lines`
    listener ${options.port} ${options.network ? "0.0.0.0" : "127.0.0.1"}
    ${access}# Each message written to the log is a write to the flash.
    log_type error
    log_type warning
  `);
});
