// downloads/layers/MAP/: what links of earlier builds made; downloads/memo/MAP/: what programs changed. ID.json says what a layer is and which directory, ID-TAG, has its tree;
// ID-TAG.photo is what the file system said of the tree when it was put there. MAP says whose ids the files carry (namespace.ts).
//
// A layer counts if its JSON is there and whole; that is written last. That nobody touched the tree since is seen by its photo,
// which is compared with each use (`touched`). A tree is never replaced, because another build may stand on it: the JSON comes to
// name a new one, and trees that none names go when no other build is under way (`sweep`).
import { createHash, randomInt } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../rootfs/tree.ts";
import { run } from "../run.ts";
import { ownerMap } from "../namespace.ts";

/** What went into a link: values by the name that people know them under (`base/ssh.ts`, `package bluez`). */
export type Inputs = Readonly<Record<string, string>>;

export interface Layer {
  readonly id: string;
  /** `packages 2`, `ssh`, `settle`. */
  readonly name: string;
  /** The state of the tree that the link began with. */
  readonly below: string;
  readonly inputs: Inputs;
  /** Says all of the tree so far: what follows is keyed with it. */
  readonly state: string;
  /** Name of its directory on the shelf (`newTree`); null if the link changed nothing. */
  readonly tree: string | null;
  /** Whatever the link wants to know when it is reused. */
  readonly facts: unknown;
}

export interface Shelf {
  readonly dir: string;
  find(id: string): Layer | undefined;
  /** Makes layers valid: notes what their trees look like. */
  put(layers: readonly Layer[]): Promise<void>;
  /** Which of these trees were touched since they were put there, with the first path of each. */
  touched(layers: readonly Layer[]): Promise<Map<Layer, string>>;
  drop(id: string): void;
}

const format = 1;

/** Where layers lie below downloads/. */
export function shelfDir(downloads: string): string {
  return join(downloads, "layers", ownerMap());
}

/** Where it is remembered what programs changed. */
export function memoDir(downloads: string): string {
  return join(downloads, "memo", ownerMap());
}

export function openShelf(dir: string): Shelf {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const json = (id: string) => join(dir, `${id}.json`);
  return {
    dir,
    drop: (id) => rmSync(json(id), { force: true }),
    find: (id) => readLayer(json(id), dir),
    put: async (layers) => {
      const photos = await photosOf(dir, layers);
      for (const layer of layers) {
        if (layer.tree !== null) writeWhole(join(dir, `${layer.tree}.photo`), photos.get(layer.tree) ?? "");
        writeWhole(json(layer.id), JSON.stringify({ format, ...layer }));
      }
    },
    touched: async (layers) => {
      const photos = await photosOf(dir, layers);
      const found = new Map<Layer, string>();
      for (const layer of layers) {
        if (layer.tree === null) continue;
        const was = readOr(join(dir, `${layer.tree}.photo`));
        const now = photos.get(layer.tree) ?? "";
        if (was !== now) found.set(layer, firstDifference(was, now));
      }
      return found;
    },
  };
}

/** A name for what has these inputs: 52 bits, which is short enough for mount(2) to take 250 of them. */
export function idOf(...parts: readonly unknown[]): string {
  return BigInt(`0x${hashOf(...parts).slice(0, 13)}`).toString(36).padStart(11, "0");
}

/** Order of keys has no say. */
export function hashOf(...parts: readonly unknown[]): string {
  const sorted = (_: string, v: unknown) => (v !== null && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v);
  return createHash("sha256").update(JSON.stringify(parts, sorted)).digest("hex");
}

/** A name for a new tree of the layer `id`. */
export function newTree(id: string): string {
  return `${id}-${randomInt(36 ** 4).toString(36).padStart(4, "0")}`;
}

/** Notes that this process builds on the shelf; the function that it returns takes the note back. */
export function signIn(dir: string): () => void {
  const file = join(dir, `builder.${process.pid}`);
  writeFileSync(file, "");
  return () => rmSync(file, { force: true });
}

/** Whether another living process builds on the shelf. */
export function othersBuild(dir: string): boolean {
  return readdirSync(dir).some((n) => n.startsWith("builder.") && pidOf(n) !== String(process.pid) && !isDead(pidOf(n)!));
}

/** ext4 is slow to make files where many were just removed, and who has just built may well build again. */
const restMs = 600_000;

/** Removes what killed builds left, and, if nobody else builds, the trees that no layer is made of any more. */
export async function sweep(dir: string): Promise<void> {
  for (const name of readdirSync(dir)) {
    const pid = pidOf(name);
    if (pid !== undefined && isDead(pid)) await removeTree(join(dir, name));
  }
  if (othersBuild(dir)) return;
  for (const name of readdirSync(dir)) {
    const id = /^([0-9a-z]{11})-[0-9a-z]{4}$/.exec(name)?.[1];
    if (id === undefined || treeOf(join(dir, `${id}.json`)) === name) continue;
    // Somebody else who is done may be sweeping, too.
    const since = statSync(join(dir, name), { throwIfNoEntry: false })?.ctimeMs ?? Date.now();
    if (since > Date.now() - restMs) continue;
    await removeTree(join(dir, name));
    rmSync(join(dir, `${name}.photo`), { force: true });
  }
}

function pidOf(name: string): string | undefined {
  return /^(?:bench|probe|builder)\.(\d+)\b/.exec(name)?.[1];
}

function isDead(pid: string): boolean {
  return Number(pid) !== process.pid && !existsSync(`/proc/${pid}`);
}

function treeOf(json: string): string | undefined {
  return /"tree":"([^"]*)"/.exec(readOr(json))?.[1];
}

function readLayer(file: string, dir: string): Layer | undefined {
  try {
    const { format: f, ...layer } = JSON.parse(readFileSync(file, "utf8")) as Layer & { format: number };
    if (f !== format || (layer.tree !== null && !existsSync(join(dir, layer.tree)))) return undefined;
    // When it was last of use: gc removes what was not for longest.
    utimesSync(file, new Date(), new Date());
    return layer;
  } catch {
    return undefined;
  }
}

/** One find(1) for all: its records by the directory they begin with. */
async function photosOf(dir: string, layers: readonly Layer[]): Promise<Map<string, string>> {
  const trees = layers.flatMap((l) => (l.tree === null || !existsSync(join(dir, l.tree)) ? [] : [l.tree]));
  const photos = new Map<string, string>();
  if (trees.length === 0) return photos;
  // The time of a directory says nothing of its own: mounting it may move it.
  const { stdout } = await run(["find", ...trees, "(", "-type", "d", "-printf", "%H %m d %P\\0", ")", "-o", "-printf", "%H %i %s %T@ %C@ %y %P\\0"], { cwd: dir, what: "could not list a layer" });
  for (const record of stdout.split("\0")) {
    const tree = record.slice(0, record.indexOf(" "));
    if (tree !== "") photos.set(tree, `${photos.get(tree) ?? ""}${record}\0`);
  }
  return photos;
}

function firstDifference(was: string, now: string): string {
  const [before, after] = [was.split("\0"), now.split("\0")];
  const [old, seen] = [new Set(before), new Set(after)];
  const record = before.find((r) => !seen.has(r)) ?? after.find((r) => !old.has(r)) ?? "";
  return `/${/ [a-z] ([^]*)$/.exec(record)?.[1] ?? ""}`;
}

function readOr(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
}
