// All that downloads/ holds, looked at as a whole: whether it is what it says, and what may go when it is too much.
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { debPath } from "./cache.ts";
import { UserError } from "./errors.ts";
import type { Emit } from "./events.ts";
import { memoDir, openShelf, othersBuild, shelfDir, type Layer } from "./layers/shelf.ts";
import { readLock, type Lock } from "./lock.ts";
import type { ImageState } from "./output/image.ts";
import type { Project } from "./project.ts";
import { toolsTouched } from "./rootfs/tools.ts";
import { removeTree } from "./rootfs/tree.ts";
import { run } from "./run.ts";
import { ensureStored } from "./store/store.ts";

export interface Damage {
  /** Below downloads/. */
  readonly path: string;
  readonly what: string;
}

/** The locks of a project; one that cannot be read needs nothing. */
export function locksOf(project: Project): Lock[] {
  if (!existsSync(project.confDir)) return [];
  return readdirSync(project.confDir).filter((f) => f.endsWith(".lock")).flatMap((f) => {
    try {
      return readLock(join(project.confDir, f)) ?? [];
    } catch {
      return [];
    }
  });
}

// ── Is it what it says? ────────────────────────────────────────────────────────────────────────────────────────────

/** Reads everything, and takes what is not right out of use: it is made or fetched again when it is needed. */
export async function checkCaches(project: Project, emit: Emit): Promise<Damage[]> {
  const found = [...(await checkDebs(project)), ...(await checkFiles(project))];
  found.push(...(await checkStore(project, emit, new Set(found.map((d) => d.path)))), ...(await checkLayers(shelfDir(project.downloads))), ...(await checkLayers(memoDir(project.downloads))), ...checkTools(project));
  return found;
}

async function checkDebs(project: Project): Promise<Damage[]> {
  const debs = new Map(locksOf(project).flatMap((lock) => lock.debs.map((d) => [debPath(project, lock.suite, lock.arch, d.filename), d.sha256] as const)));
  const found: Damage[] = [];
  for (const [path, sha256] of debs) {
    if (!existsSync(path) || (await hashOf(path)) === sha256) continue;
    rmSync(path);
    found.push({ path, what: "is not the package that the lock names" });
  }
  return found;
}

async function checkFiles(project: Project): Promise<Damage[]> {
  const dir = join(project.downloads, "files");
  const found: Damage[] = [];
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    const path = join(dir, name);
    if (!/^[0-9a-f]{64}$/.test(name) || (await hashOf(path)) === name) continue;
    rmSync(path);
    found.push({ path, what: "is not what was downloaded" });
  }
  return found;
}

/** What the .debs of the locks become, made again and compared. */
async function checkStore(project: Project, emit: Emit, damaged: ReadonlySet<string>): Promise<Damage[]> {
  const dir = join(project.downloads, "store");
  const again = join(project.downloads, `check.${process.pid}`);
  const all = locksOf(project).flatMap((lock) => lock.debs.map((d) => ({ path: debPath(project, lock.suite, lock.arch, d.filename), sha256: d.sha256, label: basename(d.filename) })));
  const debs = [...new Map(all.map((d) => [d.sha256, d])).values()].filter((d) => existsSync(d.path) && !damaged.has(d.path) && existsSync(join(dir, `${d.sha256}.json`)));
  const found: Damage[] = [];
  mkdirSync(again, { recursive: true });
  try {
    for (let i = 0; i < debs.length; i += 32) {
      const some = debs.slice(i, i + 32);
      await ensureStored({ debs: some, dir: again, emit });
      for (const d of some) {
        if (await same(join(dir, d.sha256), join(again, d.sha256))) continue;
        rmSync(join(dir, `${d.sha256}.json`));
        found.push({ path: join(dir, `${d.sha256}.tar`), what: `is not what ${d.label} holds` });
      }
      for (const d of some) for (const suffix of ["tar", "json"]) rmSync(join(again, `${d.sha256}.${suffix}`), { force: true });
    }
  } finally {
    await removeTree(again);
  }
  return found;
}

/** The index says when and where its tar was written, which differs between two that are the same. */
async function same(a: string, b: string): Promise<boolean> {
  if (!existsSync(`${a}.tar`) || (await hashOf(`${a}.tar`)) !== (await hashOf(`${b}.tar`))) return false;
  const index = (base: string) => readFileSync(`${base}.json`, "utf8").replace(/"tar":"[^"]*"/, "");
  return index(a) === index(b);
}

async function checkLayers(dir: string): Promise<Damage[]> {
  const shelf = openShelf(dir);
  const layers = layersIn(shelf.dir).flatMap((id) => shelf.find(id) ?? []);
  const touched = await shelf.touched(layers);
  const found = [...touched].map(([layer, path]): Damage => ({ path: join(shelf.dir, layer.tree ?? ""), what: `(the layer \`${layer.name}\`) was touched at \`${path}\`` }));
  for (const layer of touched.keys()) shelf.drop(layer.id);
  // Those that name a tree which is not there.
  for (const id of layersIn(shelf.dir).filter((id) => shelf.find(id) === undefined)) {
    shelf.drop(id);
    found.push({ path: join(shelf.dir, `${id}.json`), what: "is a layer that is not whole" });
  }
  return found;
}

function layersIn(dir: string): string[] {
  return readdirSync(dir).flatMap((f) => /^([0-9a-z]{11})\.json$/.exec(f)?.[1] ?? []);
}

function checkTools(project: Project): Damage[] {
  return toolsTouched(join(project.downloads, "tools")).map((path) => ({ path, what: "was touched" }));
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

// ── What may go ────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Kept {
  readonly removed: number;
  readonly freed: number;
  readonly bytes: number;
}

interface Item {
  readonly paths: readonly string[];
  readonly bytes: number;
  /** When it was last of use, in ms. */
  readonly used: number;
  readonly needed: boolean;
}

/** Removes what was of no use for longest until no more than `most` bytes are there; never what locks and images stand on. */
export async function collectGarbage(project: Project, most: number): Promise<Kept> {
  const dir = shelfDir(project.downloads);
  for (const shelf of [dir, memoDir(project.downloads)]) openShelf(shelf);
  if (othersBuild(dir)) throw new UserError("gc.busy", "a build is under way that uses these caches", { hint: "wait until it is done" });
  const items = [...debItems(project), ...(await layerItems(project, dir)), ...(await layerItems(project, memoDir(project.downloads)))].sort((a, b) => a.used - b.used);
  let bytes = items.reduce((sum, i) => sum + i.bytes, 0);
  let [removed, freed] = [0, 0];
  for (const item of items) {
    if (bytes <= most) break;
    if (item.needed) continue;
    for (const path of item.paths) await removeTree(path);
    bytes -= item.bytes;
    freed += item.bytes;
    removed++;
  }
  return { removed, freed, bytes };
}

/** Each .deb with what it was decompressed to, and downloads of scriptlets. */
function debItems(project: Project): Item[] {
  const locks = locksOf(project);
  const needed = new Set(locks.flatMap((lock) => lock.debs.map((d) => d.sha256)));
  const neededPaths = new Set(locks.flatMap((lock) => lock.debs.map((d) => debPath(project, lock.suite, lock.arch, d.filename))));
  const store = join(project.downloads, "store");
  const stored = existsSync(store) ? readdirSync(store).flatMap((f) => /^([0-9a-f]{64})\.tar$/.exec(f)?.[1] ?? []) : [];
  const debDirs = readdirSync(project.downloads).filter((d) => d.startsWith("deb."));
  const files = (paths: readonly string[], isNeeded: boolean): Item => {
    const stats = paths.flatMap((p) => statSync(p, { throwIfNoEntry: false }) ?? []);
    return { paths, bytes: stats.reduce((sum, s) => sum + s.blocks * 512, 0), used: Math.max(0, ...stats.map((s) => Math.max(s.mtimeMs, s.atimeMs))), needed: isNeeded };
  };
  return [
    ...stored.map((sha) => files([join(store, `${sha}.json`), join(store, `${sha}.tar`)], needed.has(sha))),
    ...debDirs.flatMap((d) => readdirSync(join(project.downloads, d)).filter((f) => f.endsWith(".deb")).map((f) => join(project.downloads, d, f)).map((p) => files([p], neededPaths.has(p)))),
  ];
}

/** Layers that images of this project consist of are what the next build begins with. */
async function layerItems(project: Project, dir: string): Promise<Item[]> {
  const needed = new Set(statesOf(project).flatMap((s) => s.trees));
  const layers = layersIn(dir).flatMap((id) => layerAt(join(dir, `${id}.json`)) ?? []);
  const trees = layers.flatMap((l) => (l.tree === null ? [] : [l.tree]));
  const sizes = await sizesOf(dir, trees);
  return layers.map((l): Item => {
    const json = join(dir, `${l.id}.json`);
    const paths = l.tree === null ? [json] : [json, join(dir, `${l.tree}.photo`), join(dir, l.tree)];
    return { paths, bytes: (sizes.get(l.tree ?? "") ?? 0) + statSync(json).size, used: statSync(json).mtimeMs, needed: l.tree !== null && needed.has(l.tree) };
  });
}

function layerAt(json: string): Layer | undefined {
  try {
    return JSON.parse(readFileSync(json, "utf8")) as Layer;
  } catch {
    return undefined;
  }
}

function statesOf(project: Project): ImageState[] {
  if (!existsSync(project.outDir)) return [];
  return readdirSync(project.outDir).filter((f) => f.endsWith(".state.json")).map((f) => JSON.parse(readFileSync(join(project.outDir, f), "utf8")) as ImageState);
}

async function sizesOf(dir: string, trees: readonly string[]): Promise<Map<string, number>> {
  if (trees.length === 0) return new Map();
  const { stdout } = await run(["du", "--summarize", "--block-size=1", "--", ...trees], { cwd: dir, ok: [0, 1], what: "could not measure the layers" });
  return new Map(stdout.split("\n").filter((l) => l !== "").map((l) => [l.slice(l.indexOf("\t") + 1), Number(l.slice(0, l.indexOf("\t")))]));
}
