// downloads/index/: Packages files by the SHA-256 of the compressed file that they came from, as the Release and the lock
// name it. One counts when its list of names is there (written last) and it still has the hash that the list says.
import { mkdir, open, rename, rm, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { checkCached, markVerified } from "../cache.ts";
import { indexedSha256, indexPackages } from "../deb/index.ts";
import { UserError } from "../errors.ts";
import type { Emit } from "../events.ts";
import { fetchFiles, urlIn, type FetchItem } from "../fetch.ts";
import type { Project } from "../project.ts";
import { run } from "../run.ts";

export interface IndexItem {
  /** Path below dists/SUITE/. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly suite: string;
  readonly archive: string;
  /** Asked for only when something must be fetched. */
  readonly bases: () => string[];
  readonly byHash: boolean;
  /** Whether a lock names it: then it may be gone by now. */
  readonly locked: boolean;
}

interface Options {
  readonly project: Project;
  readonly emit: Emit;
  readonly offline?: boolean | undefined;
}

/** Files of all `items`, by the SHA-256 of the item. */
export async function ensureIndexes(items: readonly IndexItem[], o: Options): Promise<Map<string, string>> {
  const dir = join(o.project.downloads, "index");
  const paths = new Map(items.map((i) => [i.sha256, join(dir, `${i.sha256}.Packages`)]));
  const missing = await missingOf(items, paths);
  if (missing.length === 0) return paths;
  await mkdir(dir, { recursive: true });
  await fetchIndexes(missing, dir, o);
  await Promise.all(missing.map((i) => unpack(join(dir, compressedName(i)), paths.get(i.sha256)!)));
  return paths;
}

async function missingOf(items: readonly IndexItem[], paths: ReadonlyMap<string, string>): Promise<IndexItem[]> {
  const listed = new Map(items.map((i) => [i.sha256, indexedSha256(paths.get(i.sha256)!)]));
  const checks = [...listed].flatMap(([sha256, content]) => (content === undefined ? [] : [{ path: paths.get(sha256)!, sha256: content }]));
  const states = await checkCached(checks);
  const absent = items.filter((i) => listed.get(i.sha256) === undefined || states.get(paths.get(i.sha256)!) !== "verified");
  return [...new Map(absent.map((i) => [i.sha256, i])).values()];
}

async function fetchIndexes(missing: readonly IndexItem[], dir: string, o: Options): Promise<void> {
  try {
    const files = missing.map((i) => fetchItem(i, dir, o.offline ?? false));
    await fetchFiles({ files, emit: o.emit, stage: "lock", ...(o.offline && { offline: true }) });
  } catch (e) {
    if (o.offline || !missing.some((i) => i.locked)) throw e;
    throw goneState(missing, e);
  }
}

function fetchItem(i: IndexItem, dir: string, offline: boolean): FetchItem {
  const bases = offline ? [] : i.bases();
  const dist = `dists/${i.suite}/`;
  const byHash = `${dist}${i.path.replace(/[^/]*$/, "")}by-hash/SHA256/${i.sha256}`;
  const paths = [...(i.byHash || i.locked ? [byHash] : []), ...(!i.byHash || i.locked ? [dist + i.path] : [])];
  return {
    urls: paths.flatMap((path) => bases.map((b) => urlIn(b, path))),
    to: join(dir, compressedName(i)),
    size: i.size,
    sha256: i.sha256,
    label: `${i.suite}/${i.path}`,
  };
}

/** Mirrors forget an index some days after the next one. */
function goneState(missing: readonly IndexItem[], e: unknown): unknown {
  const errors = e instanceof UserError ? [e] : ((e as { all?: readonly UserError[] }).all ?? []);
  const gone = ["fetch.gone", "fetch.wrong-size", "fetch.wrong-content"];
  if (errors.length === 0 || !errors.every((x) => gone.includes(x.code))) return e;
  const suites = [...new Set(missing.map((i) => `\`${i.suite}\``))].join(", ");
  return new UserError("archive.state-gone", `no mirror has the state of ${suites} any more that the lock was made from, and something that the lock lacks is asked for`, {
    hint: "`debcast update` moves the lock to what the mirrors have now",
    details: missing.map((i) => `${i.suite}/${i.path}`).join("\n"),
    cause: e,
  });
}

function compressedName(i: IndexItem): string {
  return `${i.sha256}${/\.[a-z]+$/.exec(i.path)?.[0] ?? ".plain"}`;
}

/** Where another process was after the same, it may have unpacked it and taken the compressed file away by now. */
async function unpack(from: string, to: string): Promise<void> {
  const compressed = await open(from).catch((e: NodeJS.ErrnoException) => {
    if (e.code === "ENOENT" && indexedSha256(to) !== undefined) return undefined;
    throw e;
  });
  if (compressed === undefined) return;
  const temporary = `${to}.${process.pid}`;
  try {
    if (from.endsWith(".xz")) await unxz(compressed, temporary);
    else await writeFile(temporary, from.endsWith(".gz") ? await gunzip(compressed) : await compressed.readFile());
  } finally {
    await compressed.close();
  }
  await rename(temporary, to);
  const sha256 = indexPackages(to);
  await markVerified(to, sha256);
  await rm(from, { force: true });
}

async function unxz(from: FileHandle, to: string): Promise<void> {
  const file = await open(to, "w");
  try {
    await run(["xz", "-T0", "-dc"], { stdin: from.fd, stdout: file.fd, what: "could not decompress a package index" });
  } finally {
    await file.close();
  }
}

async function gunzip(from: FileHandle): Promise<Buffer> {
  const { gunzipSync } = await import("node:zlib");
  return gunzipSync(await from.readFile(), { maxOutputLength: 1 << 30 });
}
