// What is built into this device? Asked on site, and when a new board is brought up.
import { installDeb, need } from "debcast";

need("udev");

installDeb("pciutils", "libpci3", "pci.ids");
installDeb("usbutils", "libusb-1.0-0");
installDeb("lshw");
