// Two trees compared as an image must be: type, content, mode, owner by name, mtime up to clamping, links, capabilities.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { lstatSync, readFileSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";

export interface PathFacts {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtime: number;
  /** SHA-256 of a file, target of a link. */
  readonly content: string;
  /** The other names of a hard-linked file, inside of the tree. */
  readonly links: string;
  readonly xattrs: string;
}

export interface TreeOptions {
  /** Times after this count as this. */
  readonly epoch: number;
  /** Replaces the bytes of a file before they are hashed, where only order or a time differs. */
  readonly normalise?: (path: string, content: Buffer) => Buffer;
}

/** Facts of every path below `root`, by path (`/etc/passwd`). */
export function readTree(root: string, o: TreeOptions): Map<string, PathFacts> {
  const names = { users: readIds(join(root, "etc/passwd")), groups: readIds(join(root, "etc/group")) };
  const paths = walk(root);
  const inodes = new Map<number, string[]>();
  for (const { path, stat } of paths) {
    if (stat.isFile() && stat.nlink > 1) inodes.set(stat.ino, [...(inodes.get(stat.ino) ?? []), path]);
  }
  const xattrs = readXattrs(root);
  const facts = new Map<string, PathFacts>();
  for (const { path, stat } of paths) {
    const same = inodes.get(stat.ino) ?? [];
    facts.set(path, {
      type: typeOf(stat),
      mode: stat.isSymbolicLink() ? "" : (stat.mode & 0o7777).toString(8),
      owner: `${names.users.get(stat.uid) ?? stat.uid}:${names.groups.get(stat.gid) ?? stat.gid}`,
      mtime: Math.min(o.epoch, Math.floor(stat.mtimeMs / 1000)),
      content: contentOf(root, path, stat, o),
      links: same.length > 1 ? same.sort().join(" ") : "",
      xattrs: xattrs.get(path) ?? "",
    });
  }
  return facts;
}

/** Every difference as a line `PATH: WHAT`; `a` and `b` name the sides. */
export function compareTrees(a: Map<string, PathFacts>, b: Map<string, PathFacts>, sides: readonly [string, string]): { path: string; type: string; what: string }[] {
  const found: { path: string; type: string; what: string }[] = [];
  for (const path of [...new Set([...a.keys(), ...b.keys()])].sort()) {
    const [x, y] = [a.get(path), b.get(path)];
    if (!x || !y) {
      found.push({ path, type: (x ?? y)!.type, what: `only in ${x ? sides[0] : sides[1]}` });
      continue;
    }
    for (const key of Object.keys(x) as (keyof PathFacts)[]) {
      if (x[key] !== y[key]) found.push({ path, type: x.type, what: `${key}: ${sides[0]} ${x[key]}, ${sides[1]} ${y[key]}` });
    }
  }
  return found;
}

function walk(root: string): { path: string; stat: Stats }[] {
  const all: { path: string; stat: Stats }[] = [];
  const visit = (path: string) => {
    const stat = lstatSync(join(root, path));
    all.push({ path: path === "" ? "/" : path, stat });
    if (stat.isDirectory()) for (const name of readdirSync(join(root, path)).sort()) visit(`${path}/${name}`);
  };
  visit("");
  return all;
}

function typeOf(s: Stats): string {
  if (s.isFile()) return "file";
  if (s.isDirectory()) return "directory";
  if (s.isSymbolicLink()) return "link";
  return s.isCharacterDevice() || s.isBlockDevice() ? `device ${s.rdev}` : s.isFIFO() ? "fifo" : "socket";
}

function contentOf(root: string, path: string, stat: Stats, o: TreeOptions): string {
  if (stat.isSymbolicLink()) return readlinkSync(join(root, path));
  if (!stat.isFile()) return "";
  const raw = readFileSync(join(root, path));
  return createHash("sha256").update(o.normalise?.(path, raw) ?? raw).digest("hex").slice(0, 16);
}

function readIds(file: string): Map<number, string> {
  const rows = readFileSync(file, "utf8").split("\n").filter(Boolean).map((l) => l.split(":"));
  return new Map(rows.map((r) => [Number(r[2]), r[0]!]));
}

/** Capabilities and other attributes, as getfattr prints them; needs the package `attr`. */
function readXattrs(root: string): Map<string, string> {
  const out = execFileSync("getfattr", ["-R", "-h", "-P", "-d", "-m", "^(security\\.capability|user\\.|system\\.posix_acl)", "-e", "hex", "."], { cwd: root, maxBuffer: 64 << 20 }).toString();
  const found = new Map<string, string>();
  for (const block of out.split("\n\n")) {
    const [head, ...rest] = block.split("\n");
    if (head?.startsWith("# file: ")) found.set(`/${head.slice(8)}`, rest.filter(Boolean).sort().join(" "));
  }
  return found;
}
