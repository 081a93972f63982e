// NetworkManager: for devices whose network is changed in the field (WLAN, several profiles, nmcli or nmtui on site).
// A device has either this or `network`.
import { installDeb, lines, need, run } from "debcast";

need("user", "dbus", "udev", "lib-core", "lib-common", "lib-glib", "lib-crypto", "lib-curl");

installDeb("network-manager", "libnm0");
installDeb("libcurl3t64-gnutls", "libngtcp2-16", "libngtcp2-crypto-gnutls8"); // asks a server whether there is internet
installDeb("libbluetooth3", "libmm-glib0", "libteamdctl0"); // PAN over Bluetooth, modems, teamed cards: linked, seldom used
installDeb("libndp0"); // IPv6 neighbours
installDeb("libnewt0.52", "libslang2"); // nmtui

run(({ write, symlink, disable }) => {
  write("/etc/NetworkManager/conf.d/10-image.conf", lines`
    [main]
    # No ifupdown in the image, so no plugin that reads its file.
    plugins=keyfile
    # A device phones nobody.
    [connectivity]
    enabled=false
    [device]
    # The same MAC address at each scan: access lists of customers go by it.
    wifi.scan-rand-mac-address=no
  `);
  // In /run, so that it also works on a read-only root.
  symlink("../run/NetworkManager/resolv.conf", "/etc/resolv.conf");
  // Without a cable it would hold up the boot for a minute.
  disable("NetworkManager-wait-online.service");
});
