// The clock, as a mere client. `chrony` is for devices that need it exact or serve it to others; both in one image conflict.
import { defineOptions, installDeb, listOf, lines, need, optional, run, text } from "debcast";

export const options = defineOptions({
  /** NTP servers. Default: what DHCP says, then Debian's pool. */
  servers: optional(listOf(text())),
});

need("systemd");

installDeb("systemd-timesyncd");

run(({ write }) => {
  if (options.servers === undefined) return;
  write("/etc/systemd/timesyncd.conf.d/10-image.conf", lines`
    [Time]
    NTP=${options.servers.join(" ")}
  `);
});
