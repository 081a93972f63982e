// What listens on the network, from /proc/net of a running machine: no program has to be installed for that.

/** Ports at which a client waits for the answers of the servers that it asked: DHCP of IPv4 and IPv6. */
const ofClients = new Set(["udp:68", "udp:546"]);

const firstEphemeral = 32768;

/** `tables`: name of the file in /proc/net and what it holds. `tcp:22`, sorted, once each; loopback left out. */
export function listening(tables: Readonly<Record<string, string>>): string[] {
  const found = new Set<string>();
  for (const [name, text] of Object.entries(tables)) {
    const protocol = name.startsWith("tcp") ? "tcp" : "udp";
    for (const row of text.split("\n").slice(1)) {
      const [, local, , state] = row.trim().split(/\s+/);
      const [address, hex] = (local ?? "").split(":");
      // 0A is LISTEN; a UDP socket that is connected to nobody is 07.
      if (address === undefined || hex === undefined || state !== (protocol === "tcp" ? "0A" : "07") || isLoopback(address)) continue;
      const port = parseInt(hex, 16);
      if (protocol === "udp" && port >= firstEphemeral) continue;
      found.add(`${protocol}:${port}`);
    }
  }
  return [...found].filter((p) => !ofClients.has(p)).sort();
}

/** Addresses are in words of 32 bits, in the byte order of a PC. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith("7F");
  return address === "00000000000000000000000001000000" || (address.startsWith("0000000000000000FFFF0000") && address.endsWith("7F"));
}
