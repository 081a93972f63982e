// Small libraries that unrelated programs of nearly every image share.
import { installDeb } from "debcast";

installDeb("libcom-err2"); // e2fsprogs, Kerberos
installDeb("libedit2"); // line editing: ssh, nft, chronyc
installDeb("libelf1t64"); // iproute2, bluez, mesa
installDeb("libexpat1"); // XML: dbus, fontconfig, python
installDeb("libidn2-0", "libunistring5"); // names with umlauts: ping, TLS, curl
installDeb("libjansson4"); // JSON: nft, NetworkManager
installDeb("libmnl0", "libxtables12"); // netlink and netfilter: ip, nft, ethtool
installDeb("libncursesw6"); // full-screen programs on a terminal
installDeb("libwrap0"); // hosts.allow and hosts.deny: sshd, mosquitto
