// Whole trees: walked, measured, removed, copied, and their times clamped.
import { lstatSync, lutimesSync, readFileSync, readdirSync, renameSync, type Stats } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { run } from "../run.ts";
import { isBelow } from "./paths.ts";

/** Calls `visit` for every path below `root`, parents first, names in byte order; `path` begins with `/` and counts from `root`. */
export function walk(root: string, visit: (path: string, stat: Stats) => void): void {
  for (const [path, stat] of walking(root)) visit(path, stat);
}

/** The same, path by path. */
export function* walking(root: string): Generator<[path: string, stat: Stats]> {
  const todo: string[] = [];
  const into = (dir: string) => {
    const names = readdirSync(root + dir).sort(byBytes);
    for (let i = names.length - 1; i >= 0; i--) todo.push(`${dir}/${names[i]}`);
  };
  into("");
  for (let path; (path = todo.pop()) !== undefined; ) {
    const stat = lstatSync(root + path);
    yield [path, stat];
    if (stat.isDirectory()) into(path);
  }
}

/** Most names are ASCII, where the order of UTF-16 is that of bytes; the rest must not depend on it. */
function byBytes(a: string, b: string): number {
  if (a === b) return 0;
  return /[\ud800-\uffff]/.test(a + b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : a < b ? -1 : 1;
}

/** Number of paths, and the bytes of what the files hold, hard links once. */
export async function measure(root: string): Promise<{ paths: number; bytes: number }> {
  let [paths, bytes] = [0, 0];
  const seen = new Set<number>();
  walk(root, (_, s) => {
    paths++;
    if (!s.isFile() || (s.nlink > 1 && seen.has(s.ino))) return;
    if (s.nlink > 1) seen.add(s.ino);
    bytes += s.size;
  });
  return { paths, bytes };
}

/** Removes a tree, if it is there. 19,000 paths take 1 s, as with rm(1). */
export async function removeTree(dir: string): Promise<void> {
  // Through a mount left there by hand the removal would reach what lies elsewhere.
  const mounted = mountsBelow(resolve(dir));
  if (mounted.length > 0) throw new Error(`${mounted[0]} is mounted inside of ${dir}, which is to be removed`);
  await rm(dir, { recursive: true, force: true });
}

function mountsBelow(dir: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8").split("\n").map((l) => l.split(" ")[4] ?? "");
  return points.map((p) => p.replace(/\\([0-7]{3})/g, (_, o: string) => String.fromCharCode(Number.parseInt(o, 8)))).filter((p) => isBelow(p, dir));
}

/** A copy with owners, modes, times, links and attributes. */
export async function copyTree(from: string, to: string): Promise<void> {
  await run(["cp", "-a", "--reflink=auto", "--", from, to], { what: `could not copy \`${from}\`` });
}

/** To a place that may be on another file system. */
export async function moveTree(from: string, to: string): Promise<void> {
  try {
    renameSync(from, to);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EXDEV") throw e;
    await copyTree(from, to);
    await removeTree(from);
  }
}

/** No time in the tree after `epoch` (seconds), the root's own included. Links have times as well. */
export async function clampMtimes(root: string, epoch: number): Promise<void> {
  const clamp = (path: string, stat: Stats) => {
    // Whole seconds: a fraction below the epoch's second would be kept by one file system and lost by another.
    if (stat.mtimeMs > epoch * 1000) lutimesSync(path, epoch, epoch);
  };
  walk(root, (path, stat) => clamp(join(root, path), stat));
  clamp(root, lstatSync(root));
}
