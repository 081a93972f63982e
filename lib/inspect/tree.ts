// A finished tree as a table of its paths: enough to compare it and to count it, whether it is a directory or a tarball.
import { lstatSync, readFileSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { UserError } from "../errors.ts";
import { printable } from "../store/ar.ts";

export type Kind = "file" | "directory" | "symlink" | "character device" | "block device" | "fifo" | "socket";

export interface Entry {
  readonly kind: Kind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds. */
  readonly mtime: number;
  /** Of a file; else 0. */
  readonly size: number;
  /** What it adds to the tree: the size, but 0 for all names of a file except the first. */
  readonly bytes: number;
  /** The first name of the file of which this is another one. */
  readonly same?: string;
  /** Target of a symlink. */
  readonly link?: string;
  /** `1:3`, of a device. */
  readonly device?: string;
  /** Capabilities, ACLs and the like, where they can be known. */
  readonly attributes?: string;
  /** Where the content lies; as bytes, because not every name is text. */
  readonly at?: Buffer;
  /** Of the content, where it has been read already. */
  readonly sha256?: string;
}

export interface Tree {
  /** By absolute path in the image; bytes of a name that are not UTF-8 have become U+FFFD. The root is `/`. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** A file of dpkg's database. */
  read(path: string): Buffer | undefined;
}

/** Files whose text says which package owns what. */
export function isDatabase(path: string): boolean {
  return path.startsWith(`${admin}/`) && (/^\/(status|arch|diversions)$/.test(path.slice(admin.length)) || path.endsWith(".list"));
}

export const admin = "/var/lib/dpkg";

/** The tree in the directory `root`; nothing in it is followed. */
export function readDirectory(root: string): Tree {
  const entries = new Map<string, Entry>();
  const inodes = new Map<number, string>();
  const add = (at: Buffer, path: string): void => {
    const stat = readable(at, () => lstatSync(at));
    const same = stat.isFile() && stat.nlink > 1 ? inodes.get(stat.ino) : undefined;
    if (stat.isFile() && stat.nlink > 1 && same === undefined) inodes.set(stat.ino, path);
    entries.set(path, entryOf(stat, at, same));
    if (!stat.isDirectory()) return;
    for (const name of namesIn(at)) add(Buffer.concat([at, slash, name]), freeName(entries, `${path === "/" ? "" : path}/${name.toString()}`));
  };
  add(Buffer.from(root), "/");
  const read = (path: string) => {
    const entry = entries.get(path);
    return entry?.kind === "file" ? readFileSync(entry.at!) : undefined;
  };
  return { entries, read };
}

/** Two names that are no text may look the same as text; both are kept, in the order of their bytes. */
export function freeName(taken: ReadonlyMap<string, unknown>, path: string): string {
  while (path.includes("\ufffd") && taken.has(path)) path += "\ufffd";
  return path;
}

const slash = Buffer.from("/");

function namesIn(dir: Buffer): Buffer[] {
  return readable(dir, () => readdirSync(dir, { encoding: "buffer" })).sort(Buffer.compare);
}

function readable<T>(at: Buffer, read: () => T): T {
  try {
    return read();
  } catch (e) {
    throw unreadable(at, e);
  }
}

/** What may not be read is no bug, and is told with its name. */
export function unreadable(at: Buffer, e: unknown): unknown {
  if (!["EACCES", "EPERM"].includes((e as NodeJS.ErrnoException).code ?? "")) return e;
  return new UserError("tree.unreadable", `\`${printable(at.toString())}\` may not be read`, { hint: "run it as whoever built the image, or as root", cause: e });
}

function entryOf(stat: Stats, at: Buffer, same: string | undefined): Entry {
  const kind = kindOf(stat);
  const size = kind === "file" ? stat.size : 0;
  return {
    kind, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: Math.floor(stat.mtimeMs / 1000),
    size, bytes: same === undefined ? size : 0,
    ...(same !== undefined && { same }),
    ...(kind === "file" && { at }),
    ...(kind === "symlink" && { link: readlinkSync(at, { encoding: "buffer" }).toString() }),
    ...(kind.endsWith("device") && { device: deviceOf(stat.rdev) }),
  };
}

function kindOf(stat: Stats): Kind {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "character device";
  if (stat.isBlockDevice()) return "block device";
  return stat.isFIFO() ? "fifo" : "socket";
}

/** As the kernel packs the two numbers into one. */
function deviceOf(rdev: number): string {
  return `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
}
