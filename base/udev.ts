// Device nodes, names of network cards, and the loading of kernel modules.
import { installDeb, need } from "debcast";

need("systemd");

installDeb("udev", "kmod", "libkmod2");
