// A tarball as a table of its paths. It is read as a stream, contents are hashed on the way, and nothing is written to disk:
// whoever made it may have put anything into it.
import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync } from "node:fs";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { UserError } from "../errors.ts";
import { outputOf } from "../run/output.ts";
import { printable } from "../store/ar.ts";
import { freeName, isDatabase, unreadable, type Entry, type Kind, type Tree } from "./tree.ts";
import type { Extract, Header as KnownHeader } from "tar-stream";

/** Suffixes of what can be read. */
export const tarballs = /\.tar(?:\.(?:zst|gz|xz))?$/;

const programs: readonly { suffix: string; argv: readonly string[]; package: string }[] = [
  { suffix: ".zst", argv: ["zstd", "-dcq"], package: "zstd" },
  { suffix: ".gz", argv: ["gzip", "-dc"], package: "gzip" },
  { suffix: ".xz", argv: ["xz", "-dc"], package: "xz-utils" },
];

/** Of all files of dpkg's database together: they are kept in memory. */
const databaseLimit = 256 << 20;

export async function readTarball(file: string): Promise<Tree> {
  const { extract } = await import("tar-stream");
  const found: Found = { entries: new Map(), database: new Map(), kept: 0, label: basename(file) };
  const tar = extract();
  const source = Readable.from(plain(file), { objectMode: false });
  // Either end may fail first; the parser is what we listen to.
  source.on("error", (e) => tar.destroy(e));
  try {
    source.pipe(tar as unknown as NodeJS.WritableStream);
    for await (const member of tar) await take(found, member);
  } catch (e) {
    const known = unreadable(Buffer.from(file), e);
    throw known instanceof UserError ? known : broken(found.label, (e as Error).message);
  } finally {
    source.destroy();
  }
  return { entries: found.entries, read: (path) => found.database.get(path) };
}

interface Found {
  readonly entries: Map<string, Entry>;
  readonly database: Map<string, Buffer>;
  kept: number;
  readonly label: string;
}

type Member = Extract extends AsyncIterable<infer M> ? M : never;

/** The types of tar-stream do not know all that it gives: members of other types, and the pax records. */
interface Header extends Omit<KnownHeader, "type" | "linkname" | "pax"> {
  readonly type: KnownHeader["type"] | null;
  readonly linkname: string | null;
  readonly pax: Readonly<Record<string, string>> | null;
}

const kinds: Readonly<Record<string, Kind>> = {
  file: "file", "contiguous-file": "file", directory: "directory", symlink: "symlink", fifo: "fifo",
  "character-device": "character device", "block-device": "block device",
};

/** The bytes of the tar itself. */
async function* plain(file: string): AsyncGenerator<Buffer> {
  const program = programs.find((p) => file.endsWith(p.suffix));
  if (!program) return yield* createReadStream(file, { highWaterMark: 1 << 20 });
  const stdin = openSync(file, "r");
  try {
    yield* outputOf(program.argv, { stdin, what: `could not decompress \`${basename(file)}\``, package: program.package });
  } finally {
    closeSync(stdin);
  }
}

async function take(found: Found, member: Member): Promise<void> {
  const h = member.header as Header;
  const path = freeName(found.entries, cleaned(h.name));
  const { sha256, content } = await drain(found, member, path);
  if (h.type === "link") return link(found, path, cleaned(h.linkname ?? ""));
  const kind = kinds[h.type ?? ""];
  if (kind === undefined || Object.keys(h.pax ?? {}).some((k) => k.startsWith("GNU.sparse"))) throw sparse(found.label, path);
  if (content) found.database.set(path, content);
  found.entries.set(path, { ...entryOf(h, kind), ...(kind === "file" && { sha256 }) });
}

/** Another name for a file that came before. */
function link(found: Found, path: string, target: string): void {
  const first = found.entries.get(target);
  if (!first) throw broken(found.label, `\`${printable(path)}\` is a hard link to \`${printable(target)}\`, which is not there`);
  const content = isDatabase(path) ? found.database.get(target) : undefined;
  if (content) found.database.set(path, content);
  found.entries.set(path, { ...first, bytes: 0, same: first.same ?? target });
}

async function drain(found: Found, member: Member, path: string): Promise<{ sha256: string; content: Buffer | undefined }> {
  const hash = createHash("sha256");
  const pieces: Buffer[] | undefined = isDatabase(path) ? [] : undefined;
  for await (const piece of member as AsyncIterable<Buffer>) {
    hash.update(piece);
    if (!pieces) continue;
    found.kept += piece.length;
    if (found.kept > databaseLimit) throw broken(found.label, "its package database is too large");
    pieces.push(piece);
  }
  return { sha256: hash.digest("hex"), content: pieces && Buffer.concat(pieces) };
}

function entryOf(h: Header, kind: Kind): Entry {
  const size = kind === "file" ? h.size : 0;
  const attributes = Object.entries(h.pax ?? {}).filter(([k]) => /^SCHILY\.(xattr|acl)\./.test(k)).map(([k, v]) => `${k}=${v}`).sort().join("\n");
  return {
    kind, mode: h.mode & 0o7777, size, bytes: size, attributes,
    uid: Number(h.pax?.uid ?? h.uid), gid: Number(h.pax?.gid ?? h.gid),
    mtime: Math.floor(Number(h.pax?.mtime ?? h.mtime.getTime() / 1000)),
    ...(kind === "symlink" && { link: h.linkname ?? "" }),
    ...(kind.endsWith("device") && { device: `${h.devmajor}:${h.devminor}` }),
  };
}

/** `./usr/bin/` → `/usr/bin`. A `..` stays: it is a name to be told, and nothing is ever put there. */
function cleaned(name: string): string {
  return `/${name.split("/").filter((p) => p !== "" && p !== ".").join("/")}`;
}

function sparse(label: string, path: string): UserError {
  return new UserError("diff.member", `\`${printable(path)}\` in \`${label}\` is stored in a way that debcast does not read (sparse, or a part of a volume)`, {
    hint: "pack it again without --sparse",
  });
}

function broken(label: string, why: string): UserError {
  return new UserError("diff.broken", `\`${label}\` cannot be read as a tarball: ${printable(why)}`);
}
