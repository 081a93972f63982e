// All that is in image/NAME/, path by path, so that what a device lacks is known without asking it; and the image's id, a hash of that.
//
// The tree is listed by find(1), and only what find saw change since the last time is read again, by tar(1), which tells of contents,
// capabilities and ACLs in one go. Both see owners as they are in the image, whoever built it. Names are bytes: a string here has a
// character for each of them (latin1), and `readable` makes text of it.
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { asOwner } from "../namespace.ts";
import { collect } from "../run.ts";
import { outputOf } from "../run/output.ts";
import { members } from "./members.ts";

export type Type = "f" | "d" | "l" | "c" | "b" | "p" | "s";

export interface Item {
  readonly type: Type;
  /** Permissions with setuid and its like; of a link nothing is said. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file, in bytes; else 0. */
  readonly size: number;
  /** Of a file, in seconds; else 0: the time of a directory is that of whatever was last done in it. */
  readonly mtime: number;
  /** SHA-256 of a file; target of a link; `1:3` of a device. */
  readonly content: string;
  /** Digest of capabilities, ACLs and other attributes; empty when there are none. */
  readonly attributes: string;
  /** Says which names a file has; empty when it has one. */
  readonly links: string;
  /** Whether it has holes: it is sent so that it has them there, too. No difference by itself. */
  readonly sparse: boolean;
}

/** By absolute path, as bytes; the root is `/`. */
export type Items = ReadonlyMap<string, Item>;

export interface Inventory {
  /** SHA-256 of all of it. */
  readonly id: string;
  readonly items: Items;
  /** Contents of the files of accounts, by path: they are merged with those of a device. */
  readonly accounts: Readonly<Record<string, string>>;
}

export const accountFiles: readonly string[] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"];

/** Bytes as text, for people. */
export function readable(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

/** Text as bytes, as paths are here. */
export function asBytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

export function same(a: Item, b: Item): boolean {
  return print(a) === print(b);
}

function print(i: Item): string {
  return `${i.type} ${i.mode} ${i.uid} ${i.gid} ${i.size} ${i.mtime} ${i.content} ${i.attributes} ${i.links}`;
}

// ── Taking one ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What find says of a path. */
export interface Seen {
  readonly path: string;
  readonly inode: string;
  readonly names: number;
  readonly item: Omit<Item, "attributes" | "links">;
  /** While it is the same, nobody touched the path. */
  readonly key: string;
}

type Remembered = ReadonlyMap<string, { readonly key: string; readonly item: Item }>;

/** The inventory of the directory `image`; `memory` is a file for what was read before. */
export async function takeInventory(image: string, memory: string): Promise<Inventory> {
  const seen = await list(image);
  const before = recall(memory);
  const fresh = seen.filter((s) => before.items.get(s.path)?.key !== s.key);
  const read = await readAll(image, fresh);
  const links = linksOf(seen);
  const found = new Map<string, { key: string; item: Item }>();
  for (const s of seen) {
    const now = read.items.get(s.path);
    const then = now === undefined ? before.items.get(s.path)!.item : undefined;
    found.set(s.path, { key: s.key, item: {
      ...s.item, content: s.item.type === "f" || s.item.type === "c" || s.item.type === "b" ? (now?.content ?? then!.content) : s.item.content,
      attributes: now?.attributes ?? then?.attributes ?? "", links: links.get(s.inode) ?? "",
    } });
  }
  const accounts = Object.fromEntries(accountFiles.filter((f) => found.has(f)).map((f) => [f, read.accounts[f] ?? before.accounts[f] ?? ""]));
  if (fresh.length > 0 || before.items.size !== found.size) remember(memory, { items: found, accounts });
  const items = new Map([...found].map(([path, { item }]) => [path, item]));
  return { id: idOf(items), items, accounts };
}

/** An inventory of what is known already. */
export function inventoryOf(items: Items, accounts: Readonly<Record<string, string>> = {}): Inventory {
  return { id: idOf(items), items, accounts };
}

function idOf(items: Items): string {
  const hash = createHash("sha256");
  for (const path of [...items.keys()].sort()) hash.update(`${JSON.stringify(path)} ${print(items.get(path)!)}\n`);
  return hash.digest("hex");
}

async function list(image: string): Promise<Seen[]> {
  // %P is empty for the root, %l for whatever is no link.
  const r = await collect(asOwner(["find", ".", "-printf", seenFormat]), image, "latin1");
  if (r.code !== 0) throw new UserError("push.unreadable", "the image cannot be read", { details: r.stderr.trim(), hint: "push as whoever built it" });
  return parseSeen(r.stdout);
}

/** For `find -printf`. */
export const seenFormat = "%i %n %s %b %T@ %C@ %y %m %U %G\\0%P\\0%l\\0";

/** What find printed in that format, as bytes. */
export function parseSeen(text: string): Seen[] {
  const fields = text.split("\0");
  const seen: Seen[] = [];
  for (let i = 0; i + 2 < fields.length; i += 3) {
    const [inode, names, size, blocks, mtime, , type, mode, uid, gid] = fields[i]!.split(" ") as [string, ...string[]];
    const file = type === "f";
    seen.push({
      path: `/${fields[i + 1]!}`, inode, names: Number(names), key: fields[i]!,
      item: {
        type: type as Type, mode: type === "l" ? 0 : Number.parseInt(mode!, 8), uid: Number(uid), gid: Number(gid),
        size: file ? Number(size) : 0, mtime: file ? Math.floor(Number(mtime)) : 0, content: type === "l" ? fields[i + 2]! : "",
        // A file of a few blocks may be packed by its file system.
        sparse: file && Number(size) - Number(blocks) * 512 >= 65536,
      },
    });
  }
  return seen;
}

/** By inode: what says which names the file has. */
export function linksOf(seen: readonly Seen[]): Map<string, string> {
  const names = new Map<string, string[]>();
  for (const s of seen) if (s.item.type === "f" && s.names > 1) names.set(s.inode, [...(names.get(s.inode) ?? []), s.path]);
  return new Map([...names].filter(([, paths]) => paths.length > 1).map(([inode, paths]) => [inode, digest(paths.sort().join("\0"))]));
}

interface Read {
  readonly items: ReadonlyMap<string, { content: string; attributes: string }>;
  readonly accounts: Readonly<Record<string, string>>;
}

/** Reads paths through one tar, whose members come in the order in which they are asked for. */
async function readAll(image: string, wanted: readonly Seen[]): Promise<Read> {
  const items = new Map<string, { content: string; attributes: string }>();
  const accounts: Record<string, string> = {};
  // A link has no attributes, and tar balks at sockets.
  const some = wanted.filter((s) => s.item.type !== "l" && s.item.type !== "s");
  for (const s of wanted) items.set(s.path, { content: "", attributes: "" });
  if (some.length === 0) return { items, accounts };
  const byInode = new Map<string, { content: string; attributes: string }>();
  const names = listFile(some.map((s) => `.${s.path === "/" ? "" : s.path}\0`).join(""));
  try {
    const argv = ["tar", "--create", "--file=-", `--directory=${image}`, "--format=posix", "--numeric-owner", "--no-recursion", "--null", "--verbatim-files-from", "--files-from=-", "--xattrs", "--xattrs-include=*", "--acls"];
    const tar = outputOf(asOwner(argv), { stdin: names, what: "could not read the image", package: "tar" });
    let at = 0;
    for await (const m of members(tar, (i) => accountFiles.includes(some[i]!.path))) {
      const s = some[at++]!;
      const is = m.type === "1" ? byInode.get(s.inode)! : { content: s.item.type === "f" ? m.sha256 : m.device, attributes: m.attributes };
      byInode.set(s.inode, is);
      items.set(s.path, is);
      if (m.text !== undefined) accounts[s.path] = m.text;
    }
    if (at !== some.length) throw new Error(`tar gave ${at} of ${some.length} members`);
  } finally {
    closeSync(names);
  }
  return { items, accounts };
}

/** A file without a name that holds `text`, open to be read. */
function listFile(text: string): number {
  const dir = mkdtempSync(join(tmpdir(), "debcast-"));
  try {
    writeFileSync(join(dir, "list"), text, "latin1");
    return openSync(join(dir, "list"), "r");
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex").slice(0, 32);
}

// ── Keeping what was read ──────────────────────────────────────────────────────────────────────────────────────────

const format = 1;

type Row = [path: string, key: string, type: Type, mode: number, uid: number, gid: number, size: number, mtime: number, content: string, attributes: string, links: string, sparse: 0 | 1];

/** Rows of an inventory, and back. */
export function toRows(items: Items, key: (path: string) => string = () => ""): Row[] {
  return [...items].map(([path, i]) => [path, key(path), i.type, i.mode, i.uid, i.gid, i.size, i.mtime, i.content, i.attributes, i.links, i.sparse ? 1 : 0]);
}

export function fromRow(r: Row): Item {
  return { type: r[2], mode: r[3], uid: r[4], gid: r[5], size: r[6], mtime: r[7], content: r[8], attributes: r[9], links: r[10], sparse: r[11] === 1 };
}

function recall(file: string): { items: Remembered; accounts: Readonly<Record<string, string>> } {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8")) as { format: number; rows: Row[]; accounts: Record<string, string> };
    if (kept.format !== format) return { items: new Map(), accounts: {} };
    return { items: new Map(kept.rows.map((r) => [r[0], { key: r[1], item: fromRow(r) }])), accounts: kept.accounts };
  } catch {
    return { items: new Map(), accounts: {} };
  }
}

function remember(file: string, k: { items: ReadonlyMap<string, { key: string; item: Item }>; accounts: Readonly<Record<string, string>> }): void {
  const rows = toRows(new Map([...k.items].map(([path, { item }]) => [path, item])), (path) => k.items.get(path)!.key);
  mkdirSync(dirname(file), { recursive: true });
  // Hashes of passwords are in it.
  writeFileSync(`${file}.${process.pid}`, JSON.stringify({ format, rows, accounts: k.accounts }), { mode: 0o600 });
  renameSync(`${file}.${process.pid}`, file);
}
