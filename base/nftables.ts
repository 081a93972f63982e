// Packet filter: in come answers, ping, and the TCP ports that the conf names.
import { defineOptions, installDeb, int, listOf, need, optional, run } from "debcast";

export const options = defineOptions({
  /** Open TCP ports. Default: ssh. */
  tcp: optional(listOf(int({ min: 1, max: 65535 }))),
});

need("systemd", "lib-core");

installDeb("nftables", "libnftables1", "libnftnl11");

run(({ copy, write, enable }) => {
  // Our own file: /etc/nftables.conf stays the package's, so an update of it has nothing to ask.
  copy("image.nft", "/etc/nftables/");
  const ports = options.tcp ?? [22];
  write("/etc/nftables/ports.nft", ports.length === 0 ? "" : `add rule inet filter input tcp dport { ${ports.join(", ")} } accept\n`);
  copy("ruleset.conf", "/etc/systemd/system/nftables.service.d/");
  enable("nftables.service");
});
