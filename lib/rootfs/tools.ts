// downloads/tools/KEY.MAP/: the programs of the image's own suite that the sandbox runs and whose bytes reach results. Placed
// from the store, no maintainer script run; the root of every sandbox, read-only there.
//
// KEY is of the .debs, MAP says whose ids the files carry. A tree is valid if the fingerprint beside it, written last, is that of
// the tree now: every path's inode, size, mode and ctime, so that whatever was touched since is made again.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Emit } from "../events.ts";
import { othersBuild, signIn } from "../layers/shelf.ts";
import type { Lock } from "../lock.ts";
import { ownerMap } from "../namespace.ts";
import { prepareTools, type Sandbox } from "../sandbox.ts";
import type { StoredDeb } from "../store/store.ts";
import { openInside } from "./inside.ts";
import { openOwners } from "./owners.ts";
import { asPackage } from "./package.ts";
import { placePackages, type Placing } from "./place.ts";
import { removeTree, walk } from "./tree.ts";

export interface ToolsOptions {
  /** downloads/tools */
  readonly dir: string;
  readonly lock: Pick<Lock, "debs">;
  readonly store: { get(sha256: string): Promise<StoredDeb> };
  readonly emit: Emit;
  /** SOURCE_DATE_EPOCH of what runs in the sandbox. */
  readonly epoch: number;
  /** false: a tree that is there is not used. */
  readonly cache?: boolean;
}

/** Raised when what is placed, or how, changes. */
const format = 3;

/** The tools tree of the lock, made if it is not there. */
export async function ensureTools(o: ToolsOptions): Promise<Sandbox> {
  const debs = o.lock.debs.filter((d) => d.roles.includes("tools")).map((d) => d.sha256).sort();
  const key = createHash("sha256").update([format, ...debs].join("\n")).digest("hex").slice(0, 16);
  const tools = join(o.dir, `${key}.${ownerMap()}`);
  use(o.dir);
  if (o.cache === false || !isWhole(tools)) await replaceTree(tools, await Promise.all(debs.map((d) => o.store.get(d))));
  return { tools, epoch: o.epoch };
}

const used = new Set<string>();

/** Notes that this process runs programs of some tree in `dir`, for as long as it lives. */
function use(dir: string): void {
  if (used.has(dir)) return;
  used.add(dir);
  mkdirSync(dir, { recursive: true });
  process.once("exit", signIn(dir));
}

/** Made beside its place and renamed, so that it is never there in part. */
async function replaceTree(tools: string, debs: readonly StoredDeb[]): Promise<void> {
  const fresh = `${tools}.new.${process.pid}`;
  await removeAbandoned(dirname(tools));
  assemble(fresh, debs);
  const print = fingerprint(fresh);
  const old = `${tools}.old.${process.pid}`;
  if (existsSync(tools)) renameSync(tools, old);
  renameSync(fresh, tools);
  writeFileSync(`${printFile(tools)}.${process.pid}`, print);
  renameSync(`${printFile(tools)}.${process.pid}`, printFile(tools));
  // What somebody's programs run in stays until nobody is left who may be one of them.
  if (!othersBuild(dirname(tools))) await removeTree(old);
}

function assemble(root: string, debs: readonly StoredDeb[]): void {
  // Who needs only a tool may have a stricter one, for what he makes with it.
  const umask = process.umask(0o022);
  try {
    placeAll(root, debs);
  } finally {
    process.umask(umask);
  }
}

function placeAll(root: string, debs: readonly StoredDeb[]): void {
  for (const dir of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", dir), { recursive: true });
    symlinkSync(`usr/${dir}`, join(root, dir));
  }
  prepareTools(root);
  const placing: Placing = {
    inside: openInside(root), owners: openOwners(), excluded: isDocumentation,
    diversions: new Map(), overrides: new Map(), users: new Map(), groups: new Map(),
  };
  placePackages(placing, debs.map(asPackage));
}

function isDocumentation(path: string): boolean {
  return /^\/usr\/share\/(doc|man|info|locale|lintian|bash-completion)(\/|$)/.test(path);
}

function isWhole(tools: string): boolean {
  if (!existsSync(printFile(tools)) || !existsSync(tools)) return false;
  return readFileSync(printFile(tools), "utf8") === fingerprint(tools);
}

/** Trees below `dir` that are not what they were when they were made; they are taken out of use. */
export function toolsTouched(dir: string): string[] {
  const states = existsSync(dir) ? readdirSync(dir).filter((f) => f.endsWith(".state")) : [];
  const touched = states.map((f) => join(dir, f.slice(0, -".state".length))).filter((tools) => !isWhole(tools));
  for (const tools of touched) rmSync(printFile(tools));
  return touched;
}

function printFile(tools: string): string {
  return `${tools}.state`;
}

/** 700 paths take 10 ms. The times of directories are left out: a mount point may be used without being changed. */
function fingerprint(tools: string): string {
  const hash = createHash("sha256");
  walk(tools, (path, s) => {
    hash.update(`${path} ${s.mode} ${s.uid} ${s.gid} ${s.isDirectory() ? "" : `${s.ino} ${s.size} ${s.mtimeMs} ${s.ctimeMs}`}\n`);
  });
  return hash.digest("hex");
}

/** What a killed build left, and trees that were in use when another one took their place. */
async function removeAbandoned(dir: string): Promise<void> {
  const inUse = othersBuild(dir);
  for (const name of readdirSync(dir)) {
    const [, what, pid] = /(?:^|\.)(new|old|state|builder)\.(\d+)$/.exec(name) ?? [];
    if (pid === undefined || (what === "old" && inUse)) continue;
    const own = Number(pid) === process.pid && what !== "builder";
    if (own || !existsSync(`/proc/${pid}`)) await removeTree(join(dir, name));
  }
}
