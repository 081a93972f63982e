// What listens on the network, from /proc/net of a running machine: no program has to be installed for that.

/** First and last port of those that the kernel gives to clients: /proc/sys/net/ipv4/ip_local_port_range. */
export type PortRange = readonly [number, number];

/** Ports at which a client waits for the answers of the servers that it asked: DHCP of IPv4 and IPv6. */
const ofDhcp = new Set(["udp:68", "udp:546"]);

/** `tables`: name of the file in /proc/net and what it holds. `tcp:22`, in order, once each; loopback left out. */
export function listening(tables: Readonly<Record<string, string>>): string[] {
  const found = new Set<string>();
  for (const [name, text] of Object.entries(tables)) {
    const protocol = name.startsWith("tcp") ? "tcp" : "udp";
    for (const row of text.split("\n").slice(1)) {
      const [, local, , state] = row.trim().split(/\s+/);
      const [address, hex] = (local ?? "").split(":");
      // 0A is LISTEN; a UDP socket that is connected to nobody is 07.
      if (address === undefined || hex === undefined || state !== (protocol === "tcp" ? "0A" : "07") || isLoopback(address)) continue;
      found.add(`${protocol}:${parseInt(hex, 16)}`);
    }
  }
  return [...found].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** Whether a socket of UDP may be that of a client, which looks no different from a server's: nobody can be asked to declare it. */
export function mayBeClient(port: string, [first, last]: PortRange): boolean {
  const [protocol, number] = port.split(":");
  return ofDhcp.has(port) || (protocol === "udp" && Number(number) >= first && Number(number) <= last);
}

/** Addresses are in words of 32 bits, in the byte order of a PC. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith("7F");
  return address === "00000000000000000000000001000000" || (address.startsWith("0000000000000000FFFF0000") && address.endsWith("7F"));
}
