// downloads/store/: each .deb decompressed once, as SHA256.tar (its data archive, plain) and SHA256.json (what is in it).
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Emit } from "../events.ts";
import { readContainer, type Container, type Member } from "./ar.ts";
import { controlLimit, readControl, type Control, type ControlFile } from "./controltar.ts";
import { decompressAll, defaultLimit, faultError, limitFor, xzOf, type Job } from "./decompress.ts";
import { identity, partOf, readEntry, removeParts, removeStaleParts, writeEntry, type DebFile, type StoredDeb } from "./entry.ts";
import { scanTar, type Entry } from "./tarscan.ts";
import { xzSize } from "./xzindex.ts";

export type { Control, ControlFile, DebFile, Entry, StoredDeb };

export interface StoreOptions {
  /** Those needed first come first. */
  readonly debs: readonly DebFile[];
  readonly dir: string;
  readonly emit: Emit;
  readonly jobs?: number;
  /** false: nothing is taken from the store. */
  readonly cache?: boolean;
  /** Largest data archive that is taken, in bytes. */
  readonly limit?: number;
}

/** A .deb on its way into the store. */
interface Incoming extends DebFile {
  readonly container: Container;
  readonly limit: number;
  readonly control: Settling<Control>;
  readonly stored: Settling<StoredDeb>;
  isRefused: boolean;
}

interface Settling<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (error: unknown) => void;
}

/** One of the two archives of a .deb. */
interface Piece {
  readonly deb: Incoming;
  readonly of: "control" | "data";
}

/** A store that is being filled. */
export interface Store {
  /** Settles as soon as this package is there. */
  get(sha256: string): Promise<StoredDeb>;
  /** Settles as soon as its control archive has been read. */
  control(sha256: string): Promise<Control>;
  /** From now on the xz of this tools tree decompresses. */
  useTools(tools: string): Promise<void>;
  /** Begins nothing more, and waits until nothing writes any more. */
  close(): Promise<void>;
}

/** Begins to fill the store with `debs`, in their order. */
export function openStore(o: StoreOptions): Store {
  mkdirSync(o.dir, { recursive: true });
  removeStaleParts(o.dir);
  const promises = new Map<string, { stored: Promise<StoredDeb>; control: Promise<Control> }>();
  const incoming: Incoming[] = [];
  for (const deb of o.debs) {
    if (!promises.has(deb.sha256)) promises.set(deb.sha256, admit(o, deb, incoming));
  }
  const all = [...promises.values()].map((p) => p.stored);
  report(o, all);
  const find = (sha256: string) => {
    const found = promises.get(sha256);
    if (!found) throw new Error(`${sha256} was not given to the store`);
    return found;
  };
  const chunks = cutIntoChunks(incoming);
  let xz = "xz";
  const lanes = Array.from({ length: o.jobs ?? availableParallelism() }, async () => {
    for (let c; (c = chunks.shift()); ) await runChunk({ dir: o.dir, xz }, c);
  });
  return {
    get: (sha256) => find(sha256).stored,
    control: (sha256) => find(sha256).control,
    useTools: async (tools) => {
      if (chunks.length > 0) xz = (await xzOf(tools)) ?? xz;
    },
    close: async () => {
      const rest = chunks.splice(0).flat();
      for (const { deb } of rest) refuse(deb, new Error("the store was closed"));
      await Promise.all(lanes);
      await Promise.allSettled(all);
      for (const { deb } of rest) removeParts(join(o.dir, deb.sha256));
    },
  };
}

/** All of `debs` in the store. */
export async function ensureStored(o: StoreOptions): Promise<Map<string, StoredDeb>> {
  const store = openStore(o);
  try {
    return new Map(await Promise.all(o.debs.map(async (d) => [d.sha256, await store.get(d.sha256)] as const)));
  } finally {
    await store.close();
  }
}

function admit(o: StoreOptions, deb: DebFile, incoming: Incoming[]): { stored: Promise<StoredDeb>; control: Promise<Control> } {
  const [stored, control] = [settling<StoredDeb>(), settling<Control>()];
  try {
    const there = o.cache === false ? undefined : readEntry(o.dir, deb);
    if (!there) incoming.push({ ...deb, container: openContainer(deb), limit: o.limit ?? defaultLimit, stored, control, isRefused: false });
    else {
      stored.resolve(there);
      control.resolve(there.control);
    }
  } catch (e) {
    stored.reject(e);
    control.reject(e);
  }
  return { stored: stored.promise, control: control.promise };
}

/** Who awaits only some of them must not be killed by another's failure. */
function settling<T>(): Settling<T> {
  let settle!: Omit<Settling<T>, "promise">;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  promise.catch(() => {});
  return { promise, ...settle };
}

function refuse(deb: Incoming, error: unknown): void {
  deb.isRefused = true;
  deb.control.reject(error);
  deb.stored.reject(error);
}

/** One package. */
export async function storeDeb(path: string, sha256: string, dir: string): Promise<StoredDeb> {
  const label = path.slice(path.lastIndexOf("/") + 1);
  return (await ensureStored({ debs: [{ path, sha256, label }], dir, emit: () => {} })).get(sha256)!;
}

function report(o: StoreOptions, all: readonly Promise<StoredDeb>[]): void {
  let done = 0;
  const tell = (label: string) => o.emit({ type: "progress", stage: "unpack", done: ++done, total: all.length, unit: "packages", label });
  for (const p of all) p.then((stored) => tell(stored.label), () => {});
}

function openContainer(deb: DebFile): Container {
  const fd = openSync(deb.path, "r");
  try {
    return readContainer(fd, deb.label);
  } finally {
    closeSync(fd);
  }
}

/** Pieces that one shell does at a stretch: few enough to start few shells, small enough that all lanes end together. */
function cutIntoChunks(incoming: readonly Incoming[]): Piece[][] {
  const chunks: Piece[][] = [];
  for (const group of new Set(incoming.map((d) => d.group ?? 0))) {
    const debs = incoming.filter((d) => (d.group ?? 0) === group);
    for (const of of ["control", "data"] as const) {
      let weight = Infinity;
      for (const deb of debs) {
        // 20 kB of xz take as long as starting the programs for one piece.
        const own = deb.container[of].size + 20_000;
        if (weight + own > 3_000_000) {
          chunks.push([]);
          weight = 0;
        }
        weight += own;
        chunks.at(-1)!.push({ deb, of });
      }
    }
  }
  return chunks;
}

async function runChunk(o: { dir: string; xz: string }, chunk: readonly Piece[]): Promise<void> {
  const work = new Map<Job, Piece>();
  for (const piece of chunk) {
    const { deb, of } = piece;
    try {
      const [limit, part] = of === "control" ? [controlLimit, "control"] as const : [deb.limit, "tar"] as const;
      work.set(jobFor(deb, deb.container[of], limit, partOf(deb.sha256, part)), piece);
    } catch (e) {
      refuse(deb, e);
      removeParts(join(o.dir, deb.sha256));
    }
  }
  try {
    await decompressAll(o, [...work.keys()], (job, fault) => {
      const { deb, of } = work.get(job)!;
      const base = join(o.dir, deb.sha256);
      if (fault) refuse(deb, faultError(deb.label, fault, job.limit));
      if (deb.isRefused) removeParts(base);
      else if (of === "control") void readPart(base, deb).then(deb.control.resolve, (e: unknown) => refuse(deb, e));
      else void finish(o.dir, deb).finally(() => removeParts(base)).then(deb.stored.resolve, deb.stored.reject);
    });
  } catch (e) {
    for (const { deb } of chunk) {
      refuse(deb, e);
      removeParts(join(o.dir, deb.sha256));
    }
  }
}

async function readPart(base: string, deb: Incoming): Promise<Control> {
  return readControl(readFileSync(partOf(base, "control")), deb.label);
}

/** The exact size is known beforehand for xz; nothing that declares too much is even begun. */
function jobFor(deb: Incoming, member: Member, limit: number, to: string): Job {
  const most = limitFor(member.size, limit);
  if (member.compression !== "xz") return { deb: deb.path, member, to, limit: most };
  const fd = openSync(deb.path, "r");
  const size = xzSize(fd, member.offset, member.size);
  closeSync(fd);
  if (size === undefined) throw new UserError("deb.broken", `\`${deb.label}\` is no Debian package: a member of it is not one whole xz stream`);
  if (size > most) throw faultError(deb.label, { reason: "too large" }, most);
  return { deb: deb.path, member, to, limit: size };
}

/** Reads what was decompressed, and makes the entry valid. */
async function finish(dir: string, deb: Incoming): Promise<StoredDeb> {
  const base = join(dir, deb.sha256);
  const control = await deb.control.promise;
  const fd = openSync(partOf(base, "tar"), "r");
  try {
    const scanned = scanTar(fd, deb.label);
    renameSync(partOf(base, "tar"), `${base}.tar`);
    writeEntry(base, { ...scanned, control, stats: fstatSync(fd, { bigint: true }) });
    return { ...identity(dir, deb), ...scanned, control };
  } finally {
    closeSync(fd);
  }
}
