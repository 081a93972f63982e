// What programs read, as a digest: so that it is known when one of them would find the same as before.
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isBelow, resolveIn } from "./paths.ts";
import { walking } from "./tree.ts";

export interface Reads {
  /** Files, and directories with all that is in them. */
  readonly paths: readonly string[];
  readonly ignore?: RegExp | undefined;
  /** Times count as they will be clamped, in seconds. */
  readonly epoch: number;
}

/** SHA-256 over everything at and below some paths: content, kind, mode, and time. */
export function readsDigest(root: string, o: Reads): string {
  return atOnce(digesting(root, o));
}

/** The same, for a tree that nobody changes meanwhile: other things go on between one file and the next. */
export async function readsDigestBeside(root: string, o: Reads): Promise<string> {
  const work = digesting(root, o);
  for (let since = performance.now(); ; ) {
    const step = work.next();
    if (step.done) return step.value;
    if (performance.now() - since < 10) continue;
    await setImmediate();
    since = performance.now();
  }
}

function* digesting(root: string, o: Reads): Generator<void, string> {
  const lines: string[] = [];
  for (const path of o.paths) lines.push(`${path} ${yield* digestingPath(root, path, o)}`);
  return sha256(lines.join("\n"));
}

function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

export interface KnownDigests {
  /** As `readsDigest`; what lies below paths that are not in `changed` is not looked at again. */
  digest(root: string, o: Reads, changed: ReadonlySet<string>): string;
  save(): void;
}

/** Digests of the paths of one state of a tree, kept in `file`. */
export function openDigests(file: string): KnownDigests {
  const known = new Map<string, string>(readKnown(file));
  let added = false;
  const one = (root: string, path: string, o: Reads) => {
    const key = JSON.stringify([path, o.ignore?.source ?? "", o.epoch]);
    if (!known.has(key)) {
      known.set(key, pathDigest(root, path, o));
      added = true;
    }
    return known.get(key)!;
  };
  return {
    digest: (root, o, changed) => {
      const all = [...changed];
      // A directory that went or was replaced shows itself by not being there, or by what is in it now.
      const same = (path: string) => existsSync(resolveIn(root, path)) && !all.some((c) => isBelow(c, path));
      return sha256(o.paths.map((path) => `${path} ${same(path) ? one(root, path, o) : pathDigest(root, path, o)}`).join("\n"));
    },
    save: () => {
      if (!added) return;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(`${file}.${process.pid}`, JSON.stringify([...known]));
      renameSync(`${file}.${process.pid}`, file);
    },
  };
}

function readKnown(file: string): [string, string][] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as [string, string][];
  } catch {
    return [];
  }
}

function pathDigest(root: string, path: string, o: Reads): string {
  return atOnce(digestingPath(root, path, o));
}

function* digestingPath(root: string, path: string, o: Reads): Generator<void, string> {
  const at = resolveIn(root, path);
  const stat = lstatSync(at, { throwIfNoEntry: false });
  if (!stat) return "-";
  const hash = createHash("sha256");
  const add = (name: string, file: string, s: Stats) => {
    if (o.ignore?.test(`/${name}`)) return;
    hash.update(`${name} ${s.mode} ${Math.min(o.epoch, Math.floor(s.mtimeMs / 1000))} `);
    if (s.isSymbolicLink()) hash.update(`${readlinkSync(file)} ${contentBehind(root, file)}`);
    else if (s.isFile()) hash.update(contentDigest(file, s));
    hash.update("\n");
  };
  add("", at, stat);
  if (stat.isDirectory()) {
    for (const [name, s] of walking(at)) {
      add(name, at + name, s);
      yield;
    }
  }
  return hash.digest("hex");
}

function contentBehind(root: string, link: string): string {
  const at = resolveIn(root, link.slice(root.length));
  return lstatSync(at, { throwIfNoEntry: false })?.isFile() ? sha256(readFileSync(at)) : "";
}

/** Of files that were looked at before in this process: kernel modules are among the reads of several programs. */
const contents = new Map<string, Buffer>();

function contentDigest(file: string, s: Stats): Buffer {
  const key = (t: Stats) => `${t.ino} ${t.ctimeMs} ${t.mtimeMs} ${t.size}`;
  const known = contents.get(key(s));
  if (known) return known;
  const digest = createHash("sha256").update(readFileSync(file)).digest();
  // What has just been written may be written again without its time telling, and may have been while it was read.
  if (Date.now() - s.ctimeMs > settledMs && key(lstatSync(file)) === key(s)) contents.set(key(s), digest);
  return digest;
}

/** Of the kernel's clock for files a tick is 4 ms, and 10 at most. */
const settledMs = 1000;

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
