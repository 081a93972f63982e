// downloads/tools/KEY.MAP-PID.N/: the programs of the image's own suite that the sandbox runs and whose bytes reach results. Placed
// from the store, no maintainer script run; the root of every sandbox, read-only there.
//
// KEY is of the .debs, MAP says whose ids the files carry, PID.N which process made it. KEY.MAP.state, which is written last, says which
// of them is in use, with its fingerprint: every path's inode, size, mode and ctime, so that whatever was touched since is made again.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
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
  const name = `${key}.${ownerMap()}`;
  use(o.dir);
  const there = o.cache === false ? undefined : readState(o.dir, name);
  return { tools: there && isWhole(there) ? there.tools : (await makeTree(o.dir, name, await Promise.all(debs.map((d) => o.store.get(d))))), epoch: o.epoch };
}

const used = new Set<string>();

/** Notes that this process runs programs of some tree in `dir`, for as long as it lives. */
function use(dir: string): void {
  if (used.has(dir)) return;
  used.add(dir);
  mkdirSync(dir, { recursive: true });
  process.once("exit", signIn(dir));
}

let made = 0;

/** A new one beside others of that name: whoever runs programs in one of those goes on to do so, and is not asked to wait. */
async function makeTree(dir: string, name: string, debs: readonly StoredDeb[]): Promise<string> {
  await removeAbandoned(dir);
  let tools;
  // One of an earlier process of that number may be in use.
  do tools = join(dir, `${name}-${process.pid}.${made++}`);
  while (existsSync(tools));
  assemble(tools, debs);
  const old = readState(dir, name)?.tools;
  const state = stateFile(dir, name);
  writeFileSync(`${state}.${process.pid}`, `${basename(tools)}\n${fingerprint(tools)}`);
  renameSync(`${state}.${process.pid}`, state);
  // What somebody's programs run in stays until nobody is left who may be one of them.
  if (old !== undefined && !othersBuild(dir)) await removeTree(old);
  return tools;
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

interface State {
  readonly tools: string;
  /** Its fingerprint when it was made. */
  readonly print: string;
}

function isWhole(state: State): boolean {
  return existsSync(state.tools) && state.print === fingerprint(state.tools);
}

/** Trees below `dir` that are not what they were when they were made; they are taken out of use. */
export function toolsTouched(dir: string): string[] {
  const names = existsSync(dir) ? readdirSync(dir).flatMap((f) => /^(.*)\.state$/.exec(f)?.[1] ?? []) : [];
  return names.flatMap((name) => {
    const state = readState(dir, name);
    if (!state || isWhole(state)) return [];
    rmSync(stateFile(dir, name));
    return [state.tools];
  });
}

function stateFile(dir: string, name: string): string {
  return join(dir, `${name}.state`);
}

/** Which tree goes by that name now, and its fingerprint. */
function readState(dir: string, name: string): State | undefined {
  const file = stateFile(dir, name);
  const [tree, print] = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  return print === undefined ? undefined : { tools: join(dir, tree!), print };
}

/** 700 paths take 10 ms. The times of directories are left out: a mount point may be used without being changed. */
function fingerprint(tools: string): string {
  const hash = createHash("sha256");
  walk(tools, (path, s) => {
    hash.update(`${path} ${s.mode} ${s.uid} ${s.gid} ${s.isDirectory() ? "" : `${s.ino} ${s.size} ${s.mtimeMs} ${s.ctimeMs}`}\n`);
  });
  return hash.digest("hex");
}

/** What killed builds left, and trees that were in use when another one took their place. */
async function removeAbandoned(dir: string): Promise<void> {
  const inUse = othersBuild(dir);
  for (const name of readdirSync(dir)) {
    const [, tree, what, pid] = /^(?:(.*)-|.*\.(state)\.|builder\.)(\d+)(?:\.\d+)?$/.exec(name) ?? [];
    if (pid === undefined) continue;
    const isDead = Number(pid) !== process.pid && !existsSync(`/proc/${pid}`);
    const isOwn = Number(pid) === process.pid && (tree ?? what) !== undefined;
    if (!isDead && !isOwn) continue;
    if (tree !== undefined && (inUse || readState(dir, tree)?.tools === join(dir, name))) continue;
    await removeTree(join(dir, name));
  }
}
