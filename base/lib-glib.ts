// GLib: bluez, NetworkManager, and everything with windows.
import { installDeb, need } from "debcast";

need("lib-common");

installDeb("libglib2.0-0t64", "libatomic1");
