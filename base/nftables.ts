// Packet filter: in come answers, ping, and the TCP ports that the conf names.
import { after, defineOptions, installDeb, int, listOf, need, optional, run } from "debcast";

export const options = defineOptions({
  /** Open TCP ports. Default: the one of ssh. */
  tcp: optional(listOf(int({ min: 1, max: 65535 }))),
});

need("systemd", "lib-core");
after("ssh");

installDeb("nftables", "libnftables1", "libnftnl11");

run(async ({ copy, write, enable, exists, read }) => {
  // Our own file: /etc/nftables.conf stays the package's, so an update of it has nothing to ask.
  copy("image.nft", "/etc/nftables/");
  const sshd = "/etc/ssh/sshd_config.d/10-image.conf";
  const ofSsh = (await exists(sshd)) ? [...(await read(sshd)).matchAll(/^\s*Port\s+(\d+)/gim)].map(([, port]) => Number(port)) : [];
  const ports = options.tcp ?? (ofSsh.length > 0 ? ofSsh : [22]);
  write("/etc/nftables/ports.nft", ports.length === 0 ? "" : `add rule inet filter input tcp dport { ${ports.join(", ")} } accept\n`);
  copy("ruleset.conf", "/etc/systemd/system/nftables.service.d/");
  enable("nftables.service");
});
