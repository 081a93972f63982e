// downloads/: where fetched files lie, and which of them are known to be right.
// A file counts as verified if its content was hashed and it has not been touched since: `.verified` in each directory has a line
// `SHA256 SIZE MTIME CTIME INODE NAME` (times in ns) per file, and any of these being another means that the file is hashed
// again. ctime cannot be set back, so a byte changed with the mtime restored is noticed too. Lines are only ever appended (a kill
// leaves at most a torn last one, which matches no file); a line that is missing or lost to another process costs a hash, no more.
import { createHash } from "node:crypto";
import { readFileSync, statSync, type BigIntStats } from "node:fs";
import { appendFile, open, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "./errors.ts";
import type { FetchItem } from "./fetch/download.ts";
import { urlIn } from "./fetch/http.ts";
import type { Lock } from "./lock.ts";
import type { Project } from "./project.ts";

export type CacheState = "verified" | "missing" | "damaged";

export interface CachedFile {
  readonly path: string;
  readonly sha256: string;
  readonly size?: number | undefined;
}

/** `downloads/deb.SUITE.ARCH/NAME` for a pool path. */
export function debPath(project: Project, suite: string, arch: string, filename: string): string {
  const name = basename(filename);
  // A name of ours (`.verified`, `x.part`) or of a directory must not come from an archive.
  if (!/^[^.\s/\0][^\s/\0]*\.deb$/.test(name)) throw new UserError("cache.name", `the archive has a .deb with the file name \`${name}\`, which is refused`);
  return join(project.downloads, `deb.${suite}.${arch}`, name);
}

/** Where a scriptlet's download() lies. */
export function downloadPath(project: Project, sha256: string): string {
  return join(project.downloads, "files", sha256);
}

/** What fetchFiles() takes to have every .deb of `lock`; `mirrors` gives the base URIs of an archive by its name, in order. */
export function debItems(project: Project, lock: Pick<Lock, "suite" | "arch" | "debs">, mirrors: (archive: string) => readonly string[]): FetchItem[] {
  return lock.debs.map((d) => ({
    urls: mirrors(d.archive).map((base) => urlIn(base, d.filename)),
    to: debPath(project, lock.suite, lock.arch, d.filename),
    size: d.size,
    sha256: d.sha256,
    label: basename(d.filename),
    hint: "run `debcast update`: newer versions are in the archive now",
  }));
}

/** The state of each path. Files unchanged since they were verified are not read. */
export async function checkCached(files: readonly CachedFile[]): Promise<Map<string, CacheState>> {
  const states = new Map<string, CacheState>();
  const unsure: CachedFile[] = [];
  const records = new Map<string, Map<string, string>>();
  for (const f of files) {
    const dir = dirname(f.path);
    if (!records.has(dir)) records.set(dir, readRecord(dir));
    const stats = statSync(f.path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) states.set(f.path, "missing");
    else if (!stats.isFile() || (f.size !== undefined && stats.size !== BigInt(f.size))) states.set(f.path, "damaged");
    else if (records.get(dir)!.get(basename(f.path)) === line(f.path, f.sha256, stats)) states.set(f.path, "verified");
    else unsure.push(f);
  }
  if (unsure.length > 0) await hashUnsure(unsure, states);
  return states;
}

/** Whether `path` is there and its content has this SHA-256. */
export async function isVerified(path: string, sha256: string): Promise<boolean> {
  return (await checkCached([{ path, sha256 }])).get(path) === "verified";
}

/** Records that the content of `path` was just seen to have this SHA-256. */
export async function markVerified(path: string, sha256: string): Promise<void> {
  await recordVerified([{ path, sha256, stats: await stat(path, { bigint: true }) }]);
}

/** Records files with what stat said while their content was known to be right. */
export async function recordVerified(files: readonly { path: string; sha256: string; stats: BigIntStats }[]): Promise<void> {
  const byDir = new Map<string, string[]>();
  for (const f of files) {
    const lines = byDir.get(dirname(f.path)) ?? [];
    lines.push(line(f.path, f.sha256, f.stats));
    byDir.set(dirname(f.path), lines);
  }
  await Promise.all([...byDir].map(([dir, lines]) => append(dir, lines)));
}

/** SHA-256 of a file, and what stat said about it; undefined if it changed meanwhile, or is gone. */
async function hashFile(path: string): Promise<{ sha256: string; stats: BigIntStats } | undefined> {
  const file = await open(path).catch((e: NodeJS.ErrnoException) => {
    if (e.code !== "ENOENT") throw e;
  });
  if (!file) return undefined;
  try {
    const stats = await file.stat({ bigint: true });
    const sha256 = stats.size <= wholeLimit ? await hashWhole(await file.readFile()) : await hashStream(file.createReadStream({ autoClose: false, highWaterMark: 1 << 20 }));
    const after = await file.stat({ bigint: true });
    return line(path, sha256, stats) === line(path, sha256, after) ? { sha256, stats } : undefined;
  } finally {
    await file.close();
  }
}

/** Above this, a file is not read into memory as a whole. */
const wholeLimit = 256n << 20n;

/** In a thread of libuv's pool, so that several files are hashed at a time. */
async function hashWhole(content: Buffer): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>)).toString("hex");
}

async function hashStream(pieces: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

async function hashUnsure(unsure: readonly CachedFile[], states: Map<string, CacheState>): Promise<void> {
  const { default: pLimit } = await import("p-limit");
  const limit = pLimit(4);
  const right: { path: string; sha256: string; stats: BigIntStats }[] = [];
  await Promise.all(
    unsure.map((f) =>
      limit(async () => {
        const is = await hashFile(f.path);
        states.set(f.path, is?.sha256 === f.sha256 ? "verified" : "damaged");
        if (is?.sha256 === f.sha256) right.push({ path: f.path, ...is });
      }),
    ),
  );
  // A cache that may be read and not written (another user's) still serves.
  await recordVerified(right).catch(ignoreReadOnly);
}

function ignoreReadOnly(e: NodeJS.ErrnoException): void {
  if (!["EACCES", "EPERM", "EROFS"].includes(e.code ?? "")) throw e;
}

// ── The record ─────────────────────────────────────────────────────────────────────────────────────────────────────

const recordName = ".verified";

function line(path: string, sha256: string, s: BigIntStats): string {
  return `${sha256} ${s.size} ${s.mtimeNs} ${s.ctimeNs} ${s.ino} ${basename(path)}`;
}

/** The last whole line of each name. */
function readRecord(dir: string): Map<string, string> {
  const lines = new Map<string, string>();
  for (const l of readLines(dir)) {
    const name = /^[0-9a-f]{64}(?: \d+){4} (.+)$/.exec(l)?.[1];
    if (name !== undefined) lines.set(name, l);
  }
  return lines;
}

function readLines(dir: string): string[] {
  try {
    return readFileSync(join(dir, recordName), "utf8").split("\n");
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw e;
  }
}

async function append(dir: string, lines: readonly string[]): Promise<void> {
  const path = join(dir, recordName);
  const old = readLines(dir);
  const current = readRecord(dir);
  if (old.length > 1000 + 2 * current.size) {
    for (const l of lines) current.set(l.split(" ").slice(5).join(" "), l);
    const temporary = `${path}.${process.pid}`;
    await writeFile(temporary, [...current.values(), ""].join("\n"));
    await rename(temporary, path);
    return;
  }
  // A torn last line must not swallow the first new one.
  const torn = old.length > 0 && old.at(-1) !== "";
  await appendFile(path, `${torn ? "\n" : ""}${lines.join("\n")}\n`);
}
