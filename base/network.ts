// Wired network by systemd-networkd, names by systemd-resolved. For WLAN and modems take `network-manager` instead.
import { conf, defineOptions, installDeb, listOf, lines, need, optional, run, text } from "debcast";

export const options = defineOptions({
  /** Which cards, by name or glob. */
  match: "en*",
  /** A fixed address such as `192.168.1.10/24`; without it DHCP. */
  address: optional(text({ match: /^[0-9a-f.:]+\/\d+$/i })),
  gateway: optional(text({ match: /^[0-9a-f.:]+$/i })),
  /** Name servers beside those that DHCP gives. */
  dns: optional(listOf(text())),
});

need("systemd", "dbus", "udev");

installDeb("systemd-resolved"); // networkd itself is part of the package systemd

run(({ write, symlink, enable, disable }) => {
  const fixed = options.address === undefined ? "" : `Address=${options.address}\n${options.gateway ? `Gateway=${options.gateway}\n` : ""}`;
  const dns = (options.dns ?? []).map((d) => `DNS=${d}\n`).join("");
  write(
    "/etc/systemd/network/50-wired.network",
    `# ${conf.name}: every wired card\n[Match]\nName=${options.match}\n\n[Network]\nDHCP=${fixed === "" ? "yes" : "no"}\n${fixed}${dns}\n` +
      // By MAC address: the router shows the same device again after each flash, though its machine-id is new.
      `[DHCPv4]\nClientIdentifier=mac\n\n[Link]\nRequiredForOnline=no\n`,
  );
  // Both answer strangers on the local network, on open ports.
  write("/etc/systemd/resolved.conf.d/10-image.conf", lines`
    [Resolve]
    LLMNR=no
    MulticastDNS=no
  `);
  symlink("../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf");
  enable("systemd-networkd.service");
  // Without a cable it would hold up the boot for two minutes.
  disable("systemd-networkd-wait-online.service");
});
