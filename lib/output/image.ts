// image/NAME/: a plain tree that anybody may look at and edit, brought up to date with what a build made.
//
// out/NAME.state.json says which layers it was made of, and out/NAME.photo what the file system said of it then. So only paths of
// layers that differ are touched, and edits made by hand are found. While the tree is being changed there is no state: after a
// kill in that moment it is made anew.
import { existsSync, lstatSync, lutimesSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathsOf } from "../layers/delta.ts";
import { differences, photo, records, type Photo } from "../layers/photo.ts";
import type { Inputs } from "../layers/shelf.ts";
import type { Project } from "../project.ts";
import { isBelow } from "../rootfs/paths.ts";
import { removeTree, walk } from "../rootfs/tree.ts";
import { run } from "../run.ts";
import type { Sources } from "./sources.ts";

export interface ImageState {
  /** Names of trees on the shelf, lowest first. */
  readonly trees: readonly string[];
  /** What each of them says: two that say the same changed the same. */
  readonly same: Readonly<Record<string, string>>;
  /** Every link with what went into it. */
  readonly links: readonly { readonly name: string; readonly inputs: Inputs }[];
  /** Says that what links looked at beside their inputs is still the same. */
  readonly answers: Readonly<Record<string, string>>;
  /** Digest of the ids in the lock. */
  readonly ledger: string;
  /** Whether some link is to be run each time. */
  readonly always: boolean;
  readonly bytes: number;
  readonly paths: number;
  /** What it was made from, if that can be told by a look at the file system. */
  readonly sources?: Sources | undefined;
  /** Edits by hand that were kept. */
  readonly kept: readonly string[];
}

export interface ImageFiles {
  readonly image: string;
  readonly state: string;
  readonly photo: string;
}

/** Where an image lies, and what is on record of it; one that is built elsewhere has its record beside it. */
export function imageFiles(project: Project, name: string, out?: string): ImageFiles {
  const record = out === undefined ? join(project.outDir, name) : join(dirname(out), `.${basename(out)}`);
  return { image: out ?? join(project.imageDir, name), state: `${record}.state.json`, photo: `${record}.photo` };
}

/** Where a build without layers works. */
export function workTree(image: string): string {
  return join(dirname(image), `.${basename(image)}.new`);
}

/** Where the tree of a failed build waits for `shell --failed`: a tree, or stack.json with the names of the trees that it is of. */
export function failedTree(image: string): string {
  return join(dirname(image), `.${basename(image)}.failed`);
}

export function readState(f: ImageFiles): ImageState | undefined {
  try {
    return JSON.parse(readFileSync(f.state, "utf8")) as ImageState;
  } catch {
    return undefined;
  }
}

export function writeState(f: ImageFiles, state: ImageState): void {
  mkdirSync(dirname(f.state), { recursive: true });
  writeWhole(f.state, JSON.stringify(state));
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
}

/** Paths of the image (absolute, in it) that somebody changed since it was built; undefined if that cannot be told. */
export async function handEdits(f: ImageFiles, seen: Promise<Photo | undefined>): Promise<string[] | undefined> {
  const now = await seen;
  if (now === undefined || !existsSync(f.photo)) return undefined;
  const { added, changed, removed } = differences(readFileSync(f.photo, "utf8"), now);
  return [...added, ...changed, ...removed].map((p) => `/${p}`).sort();
}

/** A photo of the image, if it is there to be taken. */
export async function imagePhoto(f: ImageFiles): Promise<Photo | undefined> {
  return existsSync(f.image) ? photo(f.image).catch(() => undefined) : undefined;
}

/** The whole tree `root` in `to`, with all that a file has. */
export async function copyWhole(root: string, to: string): Promise<void> {
  await removeTree(to);
  mkdirSync(dirname(to), { recursive: true });
  await run(["cp", "-a", "--reflink=auto", "--no-target-directory", "--", root, to], { what: "could not copy the image" });
}

/** Paths that trees of the shelf in `dir` say something of. */
export function touchedBy(dir: string, trees: readonly string[]): Set<string> {
  return new Set(trees.flatMap((t) => pathsOf(join(dir, t))));
}

/** Makes `paths` of `image` what they are in `root`, whose times end at `epoch`. What is at or below a path of `keep` stays as it is there. */
export async function syncPaths(root: string, image: string, { paths, epoch, keep = [] }: { paths: Iterable<string>; epoch: number; keep?: readonly string[] }): Promise<void> {
  const copied = new Set<string>();
  const kept = (path: string) => keep.some((k) => isBelow(path, k));
  const holdsKept = (path: string) => keep.some((k) => isBelow(k, path));
  for (const path of new Set(paths)) syncPath({ root, image, copied, kept, holdsKept }, path);
  for (const path of linkedNames(root, copied)) if (!kept(path)) copied.add(path);
  if (copied.size > 0) await copyPaths(root, image, [...copied].sort(contentsFirst));
  // The root of a mount is as young as the mount.
  lutimesSync(image, epoch, epoch);
}

/** What is in a directory follows it at once: tar sets its time when it leaves it, and it must not come back. */
function contentsFirst(a: string, b: string): number {
  const [x, y] = [a.replaceAll("/", "\0"), b.replaceAll("/", "\0")];
  return x < y ? -1 : x > y ? 1 : 0;
}

interface Syncing {
  readonly root: string;
  readonly image: string;
  /** What tar has to bring. */
  readonly copied: Set<string>;
  /** Whether a path is somebody's own, or has such a one at or below it. */
  kept(path: string): boolean;
  holdsKept(path: string): boolean;
}

/** Takes a path away, but for what is kept below it. */
function remove(s: Syncing, path: string): void {
  if (!s.holdsKept(path)) return rmSync(s.image + path, { recursive: true, force: true });
  if (s.kept(path) || !statOr(s.image + path)?.isDirectory()) return;
  for (const name of readdirSync(s.image + path)) remove(s, `${path}/${name}`);
}

function syncPath(s: Syncing, path: string): void {
  if (s.kept(path)) return;
  // Where a directory has gone, nothing of what was in it is left to look at.
  const now = statOr(s.root + path);
  const there = statOr(s.image + path);
  if (!now) {
    if (there) remove(s, path);
    return;
  }
  if (there && now.isDirectory() !== there.isDirectory()) {
    remove(s, path);
    // A directory that holds something of somebody's cannot give way.
    if (!now.isDirectory() && existsSync(s.image + path)) return;
  }
  s.copied.add(path);
  if (!now.isDirectory()) return;
  const names = readdirSync(s.root + path);
  const had = new Set(there?.isDirectory() ? readdirSync(s.image + path) : []);
  for (const name of had) if (!names.includes(name)) remove(s, `${path}/${name}`);
  // What a layer above covered comes into sight again.
  const add = (below: string) => void (s.kept(below) || s.copied.add(below));
  for (const name of names) {
    if (had.has(name)) continue;
    add(`${path}/${name}`);
    if (lstatSync(`${s.root}${path}/${name}`).isDirectory()) walk(`${s.root}${path}/${name}`, (below) => add(`${path}/${name}${below}`));
  }
}

/** lstat, or nothing where the path or a directory above it is not there. */
function statOr(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw e;
  }
}

/** The other names of files that have several: with one of them replaced, they would be files of their own. */
function linkedNames(root: string, paths: ReadonlySet<string>): string[] {
  const wanted = new Set<number>();
  for (const path of paths) {
    const s = lstatSync(root + path);
    if (!s.isDirectory() && s.nlink > 1) wanted.add(s.ino);
  }
  if (wanted.size === 0) return [];
  const names: string[] = [];
  walk(root, (path, s) => {
    if (!s.isDirectory() && s.nlink > 1 && wanted.has(s.ino)) names.push(path);
  });
  return names;
}

/** Through tar, which brings owners, links, capabilities and ACLs along. */
async function copyPaths(root: string, image: string, paths: readonly string[]): Promise<void> {
  const attributes = "--numeric-owner --xattrs --xattrs-include='*' --acls";
  const pack = `tar --create --file=- --directory="$0" --format=posix --no-recursion --null --verbatim-files-from --files-from=- ${attributes}`;
  const unpack = `tar --extract --file=- --directory="$1" --preserve-permissions --same-owner ${attributes}`;
  await run(["bash", "--norc", "--noprofile", "-o", "pipefail", "-c", `${pack} | ${unpack}`, root, image], {
    input: paths.map((p) => `.${p}\0`).join(""), what: "could not bring the image up to date",
  });
}

/** Takes away what says that the image is whole, and says that it is not. */
export function beginChange(f: ImageFiles): void {
  mkdirSync(dirname(f.state), { recursive: true });
  writeFileSync(changing(f), "");
  for (const file of [f.state, f.photo]) rmSync(file, { force: true });
}

/** Says which build made the image last. ctime alone goes by ticks of some milliseconds. */
export function lastBuild(f: ImageFiles): string {
  const photo = statSync(f.photo, { bigint: true, throwIfNoEntry: false });
  return photo === undefined ? "" : `${photo.ino} ${photo.ctimeNs}`;
}

/** Whether a build was ended while it changed the image. */
export function isHalfChanged(f: ImageFiles): boolean {
  return existsSync(changing(f));
}

function changing(f: ImageFiles): string {
  return f.state.replace(/\.state\.json$/, ".changing");
}

/** Says that it is, and what it looks like. Records of `kept` paths are left out, so that they count as edits the next time, too. */
export async function endChange(f: ImageFiles, made: Omit<ImageState, "bytes" | "paths">): Promise<ImageState> {
  const whole = (await imagePhoto(f)) ?? "";
  const state = { ...made, ...measurePhoto(whole) };
  const kept = new Set(made.kept);
  const text = kept.size === 0 ? whole : whole.split("\0").filter((r) => !kept.has(`/${/^\S+ \S+ \S+ \S+ \S ([^]*)$/.exec(r)?.[1] ?? ""}`)).join("\0");
  mkdirSync(dirname(f.state), { recursive: true });
  writeWhole(f.photo, text);
  writeState(f, state);
  rmSync(changing(f), { force: true });
  return state;
}

/** Number of paths, and the bytes of what the files hold, hard links once. */
function measurePhoto(of: Photo): { paths: number; bytes: number } {
  const sizes = new Map<string, number>();
  let paths = 0;
  for (const [path, record] of records(of)) {
    if (path !== "") paths++;
    const [inode, size] = record.split(" ");
    if (record.endsWith(" f")) sizes.set(inode!, Number(size));
  }
  return { paths, bytes: [...sizes.values()].reduce((sum, n) => sum + n, 0) };
}
