// WLAN: key exchange, the tool to look with, and the rules of each country. NetworkManager starts wpa_supplicant through D-Bus.
import { defineOptions, installDeb, need, run, text } from "debcast";

// Options with a pattern have no default, so the conf must say where the device will stand.
export const options = defineOptions({
  /** ISO code of the country whose radio rules apply. `00` is what is allowed everywhere. */
  country: text({ match: /^([A-Z]{2}|00)$/ }),
});

need("user", "dbus", "lib-common");

installDeb("wpasupplicant", "libnl-route-3-200", "libpcsclite1");
installDeb("iw", "libnl-3-200", "libnl-genl-3-200");
installDeb("wireless-regdb"); // signed database that the kernel loads

run(({ write }) => {
  write("/etc/modprobe.d/wifi-country.conf", `options cfg80211 ieee80211_regdom=${options.country}\n`);
});
