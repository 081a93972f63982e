// Values that differ from one device to the next, put into a finished disk: `--set hostname=gw-017`, or a row of a table. Written by
// debugfs into the file system where it lies in the file, so that 200 of them need no build and no mount.
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError, nearest } from "../errors.ts";
import { realPath, resolveIn } from "../rootfs/paths.ts";
import { inTools, type Sandbox } from "../sandbox.ts";
import type { Layout } from "./layout.ts";

/** By key: `hostname`, `address`, … */
export type DeviceValues = Readonly<Record<string, string>>;

export interface Put {
  /** In the image. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

interface Key {
  readonly match: RegExp;
  readonly like: string;
  files(value: string, all: DeviceValues, image: string): Put[];
}

/** Where a device says what it is. */
export const markFile = "/var/lib/debcast/mark";

// Patterns are such that grep -E and bash read them, too: a restore stick checks the same values by them.
const octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const ipv4 = `^${octet}(\\.${octet}){3}`;
const address = new RegExp(`${ipv4}$`);

const keys: Readonly<Record<string, Key>> = {
  hostname: { match: /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, like: "gw-017", files: (v, _, image) => [text("/etc/hostname", `${v}\n`), text("/etc/hosts", hostsFor(image, v))] },
  serial: { match: /^[!-~]{1,64}$/, like: "SN-0017", files: (v) => [text("/etc/serial-number", `${v}\n`)] },
  address: { match: new RegExp(`${ipv4}/(3[0-2]|[12]?[0-9])$`), like: "192.0.2.17/24", files: (v, all, image) => network(v, all, image) },
  gateway: { match: address, like: "192.0.2.1", files: () => [] },
  dns: { match: address, like: "192.0.2.53", files: () => [] },
};

/** `key=value` words, or the columns of a table. */
export function deviceValues(given: Readonly<Record<string, string>>, where: string): DeviceValues {
  for (const [key, value] of Object.entries(given)) {
    const known = keys[key];
    const near = nearest(key, Object.keys(keys));
    if (!known) throw new UserError("device.key", `${where} sets \`${key}\`, which devices do not have`, { hint: near ? `did you mean \`${near}\`?` : `they have ${Object.keys(keys).join(", ")}` });
    if (!known.match.test(value)) throw new UserError("device.value", `${where} sets \`${key}\` to \`${value}\``, { hint: `it is something like ${key}=${known.like}` });
  }
  for (const key of ["gateway", "dns"]) if (given[key] !== undefined && given.address === undefined) throw new UserError("device.value", `${where} sets \`${key}\` but no \`address\``, { hint: `address=${keys.address!.like}` });
  return given;
}

/** What a value has to look like, and the files that it makes. */
export interface Template {
  readonly key: string;
  /** An extended regular expression. */
  readonly match: string;
  readonly like: string;
  /** Contents with `@KEY@` for values; a line with one that is not given is left out. */
  readonly files: readonly Put[];
}

/** For whoever puts the values into a root made of `image` later, without this program. */
export function templatesOf(image: string): Template[] {
  const placeholders = Object.fromEntries(Object.keys(keys).map((k) => [k, `@${k}@`]));
  return Object.entries(keys).map(([key, { match, like, files }]) => ({ key, match: match.source.replaceAll("\\/", "/"), like, files: files(`@${key}@`, placeholders, image) }));
}

/** Words of `--set`. */
export function parseSet(words: readonly string[]): DeviceValues {
  const pairs = words.map((word) => {
    const cut = word.indexOf("=");
    if (cut < 1) throw new UserError("device.set", `\`--set ${word}\` has no value`, { hint: "--set hostname=gw-017" });
    return [word.slice(0, cut), word.slice(cut + 1)] as const;
  });
  return deviceValues(Object.fromEntries(pairs), "`--set`");
}

/** Rows of a table: the first line names the columns, which are separated by commas, semicolons or tabs; `#` begins a comment. */
export function parseTable(file: string): DeviceValues[] {
  if (!existsSync(file)) throw new UserError("device.table", `there is no table \`${file}\``);
  const lines = readFileSync(file, "utf8").split(/\r?\n/).map((l, i) => ({ text: l.trim(), line: i + 1 })).filter(({ text: t }) => t !== "" && !t.startsWith("#"));
  const cells = (t: string) => t.split(/[,;\t]/).map((cell) => cell.trim());
  const [head, ...rows] = lines;
  if (!head || rows.length === 0) throw new UserError("device.table", `\`${file}\` has no devices in it`, { hint: "hostname,address\ngw-001,192.0.2.1/24" });
  const columns = cells(head.text);
  if (!columns.includes("hostname")) throw new UserError("device.table", `\`${file}\` has no column \`hostname\`, which the files are named after`, { where: { file, line: head.line } });
  const seen = new Map<string, number>();
  return rows.map(({ text: t, line }) => {
    const values = cells(t);
    if (values.length !== columns.length) throw new UserError("device.table", `a row has ${values.length} cells, and there are ${columns.length} columns`, { where: { file, line } });
    const row = deviceValues(Object.fromEntries(columns.map((c, i) => [c, values[i]!] as const).filter(([, v]) => v !== "")), `line ${line} of ${basename(file)}`);
    if (row.hostname === undefined) throw new UserError("device.table", "a row has no hostname", { where: { file, line } });
    for (const [key, own] of Object.entries(ownOf(row))) {
      const before = seen.get(`${key} ${own}`);
      if (before !== undefined) throw new UserError("device.table", `\`${row[key]}\` is in the table twice, first on line ${before}`, { where: { file, line }, hint: `no two devices have the same ${key}` });
      seen.set(`${key} ${own}`, line);
    }
    return row;
  });
}

/** What no two devices may share: a name is the same in capitals, and an address is the same in a network of another size. */
function ownOf({ hostname, serial, address }: DeviceValues): Record<string, string> {
  return { hostname: hostname!.toLowerCase(), ...(serial && { serial }), ...(address && { address: address.replace(/\/.*/, "") }) };
}

/** Puts them into every root of the disk, and the mark by which a push knows what is on it. */
export async function setValues(disk: string, values: DeviceValues, o: { layout: Layout; image: string; sandbox: Sandbox; work: string; mark: string }): Promise<void> {
  const puts = [text(markFile, o.mark), ...Object.entries(values).flatMap(([key, value]) => keys[key]!.files(value, values, o.image))];
  mkdirSync(o.work, { recursive: true });
  puts.forEach((put, i) => writeFileSync(join(o.work, String(i)), put.content));
  writeFileSync(join(o.work, "commands"), putCommands(puts, o.image).map((c) => `${c}\n`).join(""));
  try {
    for (const root of o.layout.partitions.filter((p) => p.holds === "root")) {
      const r = await inTools(o.sandbox, {
        argv: ["debugfs", "-w", "-f", "/in/commands", `/out/${basename(disk)}?offset=${root.start}`],
        binds: [{ from: o.work, to: "/in", ro: true }, { from: dirname(disk), to: "/out" }],
        what: "could not set the values of the device",
      });
      // It ends with 0 whatever happened, and says nothing there but its version.
      const wrong = r.stderr.split("\n").filter((l) => l.trim() !== "" && !/^debugfs \d/.test(l));
      if (wrong.length > 0) throw new UserError("device.write", "could not set the values of the device", { details: wrong.join("\n") });
    }
  } finally {
    rmSync(o.work, { recursive: true, force: true });
  }
}

/**
 * For debugfs, in a file system that holds `image` and nothing else: none of them fails there. One that did would have the next ones go on
 * with what there is: after a `cd` to nowhere, `write` writes into the directory before.
 */
export function putCommands(puts: readonly Put[], image: string): string[] {
  const made = new Set<string>();
  return puts.flatMap((put, i) => {
    const path = realPath(image, put.path, "keep");
    const lacking = parentsOf(path).filter((dir) => !made.has(dir) && !existsSync(join(image, dir)));
    for (const dir of lacking) made.add(dir);
    const name = quoted(basename(path));
    const there = lstatSync(join(image, path), { throwIfNoEntry: false }) !== undefined;
    return [
      ...lacking.map((dir) => `mkdir ${quoted(dir)}`), `cd ${quoted(dirname(path))}`, ...(there ? [`rm ${name}`] : []), `write /in/${i} ${name}`,
      `sif ${name} mode 0${(0o100000 | put.mode).toString(8)}`, `sif ${name} uid 0`, `sif ${name} gid 0`,
    ];
  });
}

/** From the top, without `/` itself. */
function parentsOf(path: string): string[] {
  const names = path.split("/").slice(1, -1);
  return names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`);
}

/** A link of the image may lead to a directory with a space in its name. */
function quoted(word: string): string {
  return /^[\w./@+-]+$/.test(word) ? word : `"${word.replaceAll('"', '""')}"`;
}

function text(path: string, content: string, mode = 0o644): Put {
  return { path, content, mode };
}

function hostsFor(image: string, name: string): string {
  const file = resolveIn(image, "/etc/hosts");
  const now = existsSync(file) ? readFileSync(file, "utf8") : "127.0.0.1 localhost\n";
  return /^127\.0\.1\.1\s/m.test(now) ? now.replace(/^127\.0\.1\.1\s.*$/m, `127.0.1.1 ${name}`) : `${now.trimEnd()}\n127.0.1.1 ${name}\n`;
}

/** For whichever of the two manages the network in this image. */
function network(cidr: string, all: DeviceValues, image: string): Put[] {
  const { gateway, dns } = all;
  // By the program: other packages bring files into /etc/NetworkManager, and a removed one leaves its own there.
  if (existsSync(resolveIn(image, "/usr/sbin/NetworkManager"))) {
    const lines = ["[connection]", "id=device", "type=ethernet", "autoconnect-priority=10", "", "[ipv4]", "method=manual", `addresses=${cidr}`, ...(gateway ? [`gateway=${gateway}`] : []), ...(dns ? [`dns=${dns};`] : [])];
    return [text("/etc/NetworkManager/system-connections/device.nmconnection", `${lines.join("\n")}\n`, 0o600)];
  }
  const lines = ["[Match]", "Type=ether", "", "[Network]", `Address=${cidr}`, ...(gateway ? [`Gateway=${gateway}`] : []), ...(dns ? [`DNS=${dns}`] : [])];
  return [text("/etc/systemd/network/05-device.network", `${lines.join("\n")}\n`)];
}
