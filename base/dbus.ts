// The system bus: networkd, resolved, bluez and NetworkManager are asked through it.
import { installDeb, need } from "debcast";

need("systemd", "lib-core");

installDeb("dbus", "dbus-bin", "dbus-daemon", "dbus-session-bus-common", "dbus-system-bus-common", "libdbus-1-3");
