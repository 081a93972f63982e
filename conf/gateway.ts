// An industrial gateway with a display: field buses, Bluetooth, WLAN, a local MQTT broker, and the tools to look for a fault on site.
import { defineImage } from "debcast";
import base from "./base.ts";

// NetworkManager and chrony take the place of networkd and timesyncd, which cannot be there beside them.
const replaced: readonly string[] = ["network", "timesync", "rm"];

export default defineImage({
  ...base,
  scriptlets: [
    ...base.scriptlets.filter((name) => !replaced.includes(name)),
    "network-manager", "wifi", "chrony", "bluez",
    "mosquitto", "python-serial", "tcl", "sqlite", "curl",
    "xorg", "openbox",
    "tool-hardware", "tool-disk",
    "rm",
  ],
  options: {
    ...base.options,
    wifi: { country: "00" },
  },
  users: base.users?.map((user) => ({ ...user, groups: [...(user.groups ?? []), "bluetooth", "netdev", "video", "input"] })),
});
