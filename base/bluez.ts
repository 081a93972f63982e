// Bluetooth daemon, without the services that a gateway does not need.
import { installDeb, need, run } from "debcast";

need("user", "dbus", "udev", "lib-core", "lib-common", "lib-glib");

installDeb("bluez");
installDeb("libasound2t64", "libasound2-data"); // linked for MIDI
installDeb("libdw1t64"); // for back traces

run(({ copy }) => {
  copy("less-services.conf", "/etc/systemd/system/bluetooth.service.d/");
});
