// The outermost layer of a .deb: an ar archive of debian-binary, control.tar.* and data.tar.*, in this order (deb(5)).
import { fstatSync, readSync } from "node:fs";
import { UserError } from "../errors.ts";

export type Compression = "none" | "gz" | "xz" | "zst" | "bz2" | "lzma";

export interface Member {
  readonly compression: Compression;
  readonly offset: number;
  readonly size: number;
}

export interface Container {
  readonly control: Member;
  readonly data: Member;
}

interface RawMember {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const suffixes: Readonly<Record<string, Compression>> = { "": "none", ".gz": "gz", ".xz": "xz", ".zst": "zst", ".bz2": "bz2", ".lzma": "lzma" };

/** Where control and data lie in the .deb open as `fd`. `label` names it in errors. */
export function readContainer(fd: number, label: string): Container {
  const broken = (why: string) => new UserError("deb.broken", `\`${label}\` is no Debian package: ${why}`);
  const end = fstatSync(fd).size;
  if (readAt(fd, 0, 8).toString("latin1") !== "!<arch>\n") throw broken("it does not begin as an ar archive");
  const members = readMembers(fd, end, broken);
  const [first, control, ...rest] = members;
  if (first?.name !== "debian-binary") throw broken("its first member is not `debian-binary`");
  const format = readAt(fd, first.offset, Math.min(first.size, 16)).toString("latin1");
  if (!/^2\.\d+\n/.test(format)) throw broken(`its format is \`${format.split("\n")[0]}\`, and only 2.x is known`);
  // deb(5) lets later versions put members of their own, named with _, before the data.
  const data = rest.find((m) => !m.name.startsWith("_"));
  return { control: asTar(control, "control.tar", broken), data: asTar(data, "data.tar", broken) };
}

function readMembers(fd: number, end: number, broken: (why: string) => UserError): RawMember[] {
  const members: RawMember[] = [];
  for (let at = 8; at < end; ) {
    const head = readAt(fd, at, 60).toString("latin1");
    if (head.length < 60 || head.slice(58) !== "`\n") throw broken(`the ar header at byte ${at} is broken`);
    const digits = head.slice(48, 58).trim();
    if (!/^\d+$/.test(digits)) throw broken(`the ar header at byte ${at} has no size`);
    const member = { name: head.slice(0, 16).trimEnd().replace(/\/$/, ""), offset: at + 60, size: Number(digits) };
    if (member.offset + member.size > end) throw broken(`its member \`${printable(member.name)}\` ends beyond the file`);
    if (members.push(member) > 16) throw broken("it has too many members");
    at = member.offset + member.size + (member.size & 1);
  }
  return members;
}

function asTar(m: RawMember | undefined, name: string, broken: (why: string) => UserError): Member {
  const compression = m?.name.startsWith(name) ? suffixes[m.name.slice(name.length)] : undefined;
  if (!m || compression === undefined) throw broken(`there is \`${printable(m?.name ?? "nothing")}\` where \`${name}\` should be`);
  return { compression, offset: m.offset, size: m.size };
}

/** Up to `length` bytes at `offset`; fewer only at the end of the file. */
export function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  return buffer.subarray(0, readInto(fd, offset, buffer));
}

/** Fills `buffer` from `offset` on, and returns how many bytes that are: fewer than it holds only at the end of the file. */
export function readInto(fd: number, offset: number, buffer: Buffer): number {
  let got = 0;
  while (got < buffer.length) {
    const n = readSync(fd, buffer, got, buffer.length - got, offset + got);
    if (n === 0) break;
    got += n;
  }
  return got;
}

/** A name out of an archive, fit to be shown. */
export function printable(name: string): string {
  return name.replace(/[^\x20-\x7e\u00a0-\uffff]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
