// The clock, kept exact also with a bad network or a cheap crystal. It conflicts with `timesync`.
import { defineOptions, installDeb, listOf, lines, need, optional, run, text } from "debcast";

export const options = defineOptions({
  /** NTP servers, for networks that do not reach Debian's pool. */
  servers: optional(listOf(text())),
});

need("user", "iproute", "ucf", "lib-core", "lib-crypto");

installDeb("chrony");

run(({ write, edit }) => {
  write("/etc/chrony/conf.d/image.conf", lines`
    # chronyc on the device itself uses a Unix socket; nobody else has to ask.
    cmdport 0
    # The clock of a board without a battery may be years off: step it, whenever it was switched on.
    makestep 1 -1
  `);
  if (options.servers === undefined) return;
  write("/etc/chrony/sources.d/image.sources", options.servers.map((s) => `server ${s} iburst\n`).join(""));
  edit("/etc/chrony/chrony.conf", /^pool /gm, "#pool ", { times: "any" });
});
