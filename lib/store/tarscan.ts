// Reads the headers of a data.tar and nothing else. What dpkg would not take, and what nobody honest ships, is refused here by
// name, so that placing only ever sees plain files, directories and links with clean absolute paths.
import { fstatSync } from "node:fs";
import { UserError } from "../errors.ts";
import { printable, readAt, readInto } from "./ar.ts";

export type EntryType = "file" | "directory" | "symlink" | "hardlink";

export interface Entry {
  readonly type: EntryType;
  /** Absolute, without `.`, `..` or an end slash; `/.` is the root, as in dpkg's lists. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names of the owner, where they are not `root`: dpkg prefers them to the numbers. */
  readonly user?: string;
  readonly group?: string;
  readonly mtime: number;
  /** Bytes of a file, and where they begin in the tar. */
  readonly size: number;
  readonly offset: number;
  /** Target of a symlink, verbatim; path of a hard link's target, clean. */
  readonly link?: string;
}

export interface ScannedTar {
  readonly entries: Entry[];
  /** Why only dpkg itself can unpack this one, if so. */
  readonly dpkgOnly?: string;
}

interface Header {
  readonly name: Buffer;
  readonly link: Buffer;
  readonly type: string;
  readonly size: number;
  readonly rest: Pick<Entry, "mode" | "uid" | "gid" | "mtime"> & { user: string; group: string };
  /** Where the member's bytes begin. */
  readonly data: number;
}

const types: Readonly<Record<string, EntryType>> = { "0": "file", "\0": "file", "7": "file", "1": "hardlink", "2": "symlink", "5": "directory" };
const refused: Readonly<Record<string, string>> = {
  "3": "a character device", "4": "a block device", S: "a sparse file", x: "a pax header", g: "a pax header",
  M: "a part of a multi-volume archive", V: "a volume label",
};
/** Node.js cannot make one; dpkg can. */
const fifo = "6";
/** Of one path, and of a GNU long name. */
const longest = 4096;

/** The entries of the tar open as `fd`. `label` names its package in errors. */
export function scanTar(fd: number, label: string): ScannedTar {
  const seen = new Map<string, Entry>();
  let dpkgOnly: string | undefined;
  for (const header of headers(fd, label)) {
    if (header.type === fifo) {
      dpkgOnly ??= `\`${printable(header.name.toString())}\` is a FIFO`;
      continue;
    }
    const entry = asEntry(header, label);
    checkAgainst(seen, entry, label);
    if (!seen.has(entry.path)) seen.set(entry.path, entry);
  }
  return { entries: [...seen.values()], ...(dpkgOnly !== undefined && { dpkgOnly }) };
}

/** Debian's policy demands it, and everything here works on strings. */
function isUtf8(name: Buffer): boolean {
  return name.every((b) => b < 0x80) || Buffer.from(name.toString("utf8")).equals(name);
}

/** Headers in order, GNU long names (L, K) put where they belong. */
function* headers(fd: number, label: string): Generator<Header> {
  const end = fstatSync(fd).size;
  const block = blockReader(fd);
  let longName: Buffer | undefined;
  let longLink: Buffer | undefined;
  for (let at = 0; ; ) {
    const head = block(at);
    if (head.length < 512) throw broken(label, "its data archive ends too early");
    if (head.every((b) => b === 0)) return;
    checkSum(head, at, label);
    const type = String.fromCharCode(head[156]!);
    const size = type in refused || type === fifo || "0\x007LK".includes(type) ? numberIn(head, 124, 12, label) : 0;
    const data = at + 512;
    at = data + Math.ceil(size / 512) * 512;
    if (at > end) throw refuse(label, longName ?? nameIn(head), "ends beyond its archive");
    if (type === "L" || type === "K") {
      if (size > longest) throw broken(label, "a name in its data archive is too long");
      const text = cut(readAt(fd, data, size));
      if (type === "L") longName = text;
      else longLink = text;
      continue;
    }
    yield { name: longName ?? nameIn(head), link: longLink ?? cut(head.subarray(157, 257)), type, size, rest: rest(head, label), data };
    longName = longLink = undefined;
  }
}

const window = Buffer.alloc(16 << 10);

/**
 * Blocks by offset through a window: most members are small, and a read per header would be 23,000 of them. A block is good until the
 * next one is asked for, by whomever: memory of its own for each would be 300 MB of it for the .debs of an image.
 */
function blockReader(fd: number): (at: number) => Buffer {
  let [from, length] = [0, 0];
  return (at) => {
    if (at < from || at + 512 > from + length) [from, length] = [at, readInto(fd, at, window)];
    return window.subarray(at - from, Math.min(at - from + 512, length));
  };
}

function asEntry(h: Header, label: string): Entry {
  const type = types[h.type];
  if (type === undefined) throw refuse(label, h.name, `is ${refused[h.type] ?? `of the unknown type \`${printable(h.type)}\``}, which debcast does not unpack`);
  if (!isUtf8(h.name) || !isUtf8(h.link)) throw refuse(label, h.name.toString("latin1"), "has a name or a target that is not UTF-8");
  const path = cleanPath(h.name);
  if (path === undefined) throw refuse(label, h.name, "leads out of the image");
  if (path === "/." && type !== "directory") throw refuse(label, h.name, "stands where the root directory should be");
  const { user, group, ...numbers } = h.rest;
  return {
    type, path, ...numbers,
    ...(user !== "" && user !== "root" && { user }), ...(group !== "" && group !== "root" && { group }),
    size: type === "file" ? h.size : 0, offset: h.data,
    ...((type === "symlink" || type === "hardlink") && { link: linkOf(type, h, label) }),
  };
}

function linkOf(type: EntryType, h: Header, label: string): string {
  if (type === "symlink") {
    if (h.link.length === 0) throw refuse(label, h.name, "is a link to nowhere");
    return h.link.toString();
  }
  const target = cleanPath(h.link);
  if (target === undefined) throw refuse(label, h.name, `is a hard link to \`${printable(h.link.toString("latin1"))}\`, out of the image`);
  return target;
}

/** `./usr/bin/` → `/usr/bin`; undefined for what is absolute or has `..`. */
function cleanPath(name: Buffer): string | undefined {
  const text = name.toString();
  if (text === "" || text.startsWith("/") || text.length > longest) return undefined;
  const parts = text.split("/").filter((p) => p !== "" && p !== ".");
  if (parts.includes("..")) return undefined;
  return parts.length === 0 ? "/." : `/${parts.join("/")}`;
}

/** dpkg would follow such members to wherever they lead; nothing Debian ships has any. */
function checkAgainst(seen: ReadonlyMap<string, Entry>, e: Entry, label: string): void {
  const twin = seen.get(e.path);
  if (twin && !(twin.type === "directory" && e.type === "directory")) throw refuse(label, e.path, "is there twice");
  for (let up = e.path.lastIndexOf("/"); up > 0; up = e.path.lastIndexOf("/", up - 1)) {
    const parent = seen.get(e.path.slice(0, up));
    if (parent?.type === "directory") break;
    if (parent) throw refuse(label, e.path, `lies below \`${parent.path}\`, which is a ${parent.type} in the same package`);
  }
  if (e.type === "hardlink" && seen.get(e.link!)?.type !== "file" && !hardlinkChain(seen, e.link!)) {
    throw refuse(label, e.path, `is a hard link to \`${printable(e.link!)}\`, which is no file before it in the same package`);
  }
}

function hardlinkChain(seen: ReadonlyMap<string, Entry>, path: string): boolean {
  return seen.get(path)?.type === "hardlink";
}

function nameIn(head: Buffer): Buffer {
  const name = cut(head.subarray(0, 100));
  // Old GNU archives keep other things where ustar has its prefix.
  const prefix = head.toString("latin1", 257, 263) === "ustar\0" ? cut(head.subarray(345, 500)) : Buffer.alloc(0);
  return prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), name]) : name;
}

function rest(head: Buffer, label: string): Header["rest"] {
  return {
    mode: numberIn(head, 100, 8, label) & 0o7777,
    uid: numberIn(head, 108, 8, label),
    gid: numberIn(head, 116, 8, label),
    mtime: numberIn(head, 136, 12, label),
    user: cut(head.subarray(265, 297)).toString("latin1"),
    group: cut(head.subarray(297, 329)).toString("latin1"),
  };
}

/** Octal, or base 256 when the first byte says so. */
function numberIn(head: Buffer, at: number, length: number, label: string): number {
  if (head[at]! & 0x80) {
    let value = head[at]! & 0x7f;
    for (let i = at + 1; i < at + length; i++) value = value * 256 + head[i]!;
    if (!Number.isSafeInteger(value)) throw broken(label, "a number in its data archive is too large");
    return value;
  }
  const text = head.toString("latin1", at, at + length).replace(/[\0 ]+$/, "").trimStart();
  if (!/^[0-7]*$/.test(text)) throw broken(label, "a number in its data archive is none");
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function checkSum(head: Buffer, at: number, label: string): void {
  let sum = 8 * 32;
  for (let i = 0; i < 148; i++) sum += head[i]!;
  for (let i = 156; i < 512; i++) sum += head[i]!;
  if (sum !== numberIn(head, 148, 8, label)) throw broken(label, `its data archive has a broken header at byte ${at}`);
}

function cut(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

function refuse(label: string, name: Buffer | string, why: string): UserError {
  return new UserError("deb.refused", `\`${printable(name.toString())}\` in \`${label}\` ${why}`);
}

function broken(label: string, why: string): UserError {
  return new UserError("deb.broken", `\`${label}\` is no Debian package: ${why}`);
}
