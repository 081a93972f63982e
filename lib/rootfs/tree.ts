// Whole trees: walked, measured, removed, copied, and their times clamped.
import { lstatSync, lutimesSync, readdirSync, type Stats } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../run.ts";

/** Calls `visit` for every path below `root`, parents first, names in byte order; `path` begins with `/` and counts from `root`. */
export function walk(root: string, visit: (path: string, stat: Stats) => void): void {
  const into = (dir: string) => {
    for (const name of readdirSync(root + dir).sort()) {
      const path = `${dir}/${name}`;
      const stat = lstatSync(root + path);
      visit(path, stat);
      if (stat.isDirectory()) into(path);
    }
  };
  into("");
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

/** Removes a tree, if it is there. */
export async function removeTree(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}

/** A copy with owners, modes, times, links and attributes. */
export async function copyTree(from: string, to: string): Promise<void> {
  await run(["cp", "-a", "--reflink=auto", "--", from, to], { what: `could not copy \`${from}\`` });
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
