// What differs on a device from the image that it says it runs.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare, type Comparison } from "../inspect/compare.ts";
import { packagesOf, type Packages } from "../inspect/packages.ts";
import { readTarball } from "../inspect/tarball.ts";
import { admin, freeName, type Entry, type Kind, type Tree } from "../inspect/tree.ts";
import type { Made } from "../made.ts";
import { isBelow } from "../rootfs/paths.ts";
import type { Connection } from "./connection.ts";
import { itemsOf } from "./deviceitems.ts";
import { asBytes, readable, type Item, type Items, type Type } from "./inventory.ts";
import type { Kept } from "./kept.ts";
import { guard } from "./protect.ts";

/** What a running system makes and changes of itself. */
const volatile = [
  "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/backups", "/var/spool", "/home", "/root", "/persist", "/lost+found", "/var/lib/debcast",
  "/var/lib/systemd", "/var/lib/private", "/var/lib/apt", "/var/lib/dhcp", "/var/lib/dbus/machine-id", "/etc/.updated", "/var/.updated", "/etc/.pwd.lock", "/etc/adjtime",
];

/** `own`: paths that are the device's, and its mounts, as bytes. `made`: which step made which path of the image. */
export async function pull(connection: Connection, image: Kept, o: { own: readonly string[]; made: readonly Made[] }): Promise<Comparison> {
  const leave = [...volatile, ...o.own].filter((p) => p !== "/");
  const whose = guard(o.own.map(readable));
  const counts = (path: string) => !leave.some((p) => isBelow(path, p)) && ["image", "account"].includes(whose(path));
  const device = await itemsOf(connection, leave);
  const want = new Map([...image.items].filter(([path]) => counts(path)));
  const has = new Map([...device].filter(([path]) => counts(path) && (image.items.has(path) || !isState(path))));
  const database = await readDatabase(connection);
  const now = { entries: entriesOf(has), read: (path: string) => database.read(path) };
  // What dpkg knew of the image, as far as the device has it still.
  const then = { entries: entriesOf(want), read: (path: string) => (want.get(asBytes(path))?.content === has.get(asBytes(path))?.content ? database.read(path) : undefined) };
  const packages = packagesOf(now);
  return compare({ tree: then, packages: packagesThen(image, packages), made: o.made }, { tree: now, packages, made: [] }, { times: false });
}

/** What nobody but the device knows of is meant to be there. */
function isState(path: string): boolean {
  return isBelow(path, "/var") && !isBelow(path, admin);
}

/** The image's, with what the device still knows of them. */
function packagesThen(image: Kept, now: Packages): Packages {
  return new Map(Object.entries(image.packages).map(([name, version]) => [name, { ...(now.get(name) ?? { name, arch: "", installed: 0 }), version }]));
}

async function readDatabase({ run }: Connection): Promise<Tree> {
  const { stdout } = await run(`cd /; set -- var/lib/dpkg/status var/lib/dpkg/arch var/lib/dpkg/diversions var/lib/dpkg/info/*.list; for f; do [ ! -f "$f" ] || printf '%s\\0' "./$f"; done | tar --create --file=- --null --files-from=-`, { encoding: "latin1" });
  const dir = mkdtempSync(join(tmpdir(), "debcast-"));
  try {
    writeFileSync(join(dir, "database.tar"), stdout, "latin1");
    return await readTarball(join(dir, "database.tar"));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const kinds: Readonly<Record<Type, Kind>> = { f: "file", d: "directory", l: "symlink", c: "character device", b: "block device", p: "fifo", s: "socket" };

function entriesOf(items: Items): Map<string, Entry> {
  const links = new Map<string, string>();
  const entries = new Map<string, Entry>();
  for (const [bytes, item] of items) {
    const path = freeName(entries, readable(bytes));
    const same = item.links === "" ? undefined : links.get(item.links);
    if (item.links !== "" && same === undefined) links.set(item.links, path);
    entries.set(path, entryOf(item, same));
  }
  return entries;
}

function entryOf(item: Item, same: string | undefined): Entry {
  const { type, mode, uid, gid, mtime, size, content, attributes } = item;
  return {
    kind: kinds[type], mode, uid, gid, mtime, size, bytes: same === undefined ? size : 0, attributes,
    ...(same !== undefined && { same }),
    ...(type === "f" && { sha256: content }),
    ...(type === "l" && { link: readable(content) }),
  };
}
