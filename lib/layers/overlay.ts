// Overlay mounts: a stack of finished trees below, one directory above that takes every change. The kernel copies a file up
// before it lets anybody write to it, so nothing that runs in the mount can reach the trees below.
//
// All paths of a mount are relative to one directory: that keeps the table of options within the page that mount(2) takes, for
// some 230 trees, and no character in them needs escaping.
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Shell } from "../run/shell.ts";

export interface OverlayOptions {
  /** The directory that the names are relative to. */
  readonly dir: string;
  /** Lowest first. */
  readonly lower: readonly string[];
  /** A directory with `u`, `w` and `m` in it, made by `openBench`; changes go to `u`, the mount is at `m`. */
  readonly bench: string;
  /** That mounts. */
  readonly shell: Shell;
}

// Hard links stay as they are below, whole files are copied up, directories are not renamed behind names: so the tree above
// is complete in itself. `volatile`: no sync of the file system when it is unmounted.
const fixed = ["userxattr", "index=off", "metacopy=off", "volatile"];

/** Mounts, and returns the path of the merged tree. Throws where the kernel or the file system does not take overlays. */
export async function mountOverlay(o: OverlayOptions): Promise<string> {
  const options = [`lowerdir=${[...o.lower].reverse().join(":")}`, `upperdir=${o.bench}/u`, `workdir=${o.bench}/w`, ...fixed].join(",");
  const at = join(o.dir, o.bench, "m");
  await o.shell.run(["mount", "-t", "overlay", "-o", options, "overlay", at], { cwd: o.dir, what: "could not mount an overlay" });
  return at;
}

/** Takes a mount away, whatever still looks at it. */
export async function unmount(shell: Shell, at: string): Promise<void> {
  await shell.run(["umount", "--lazy", at], { cwd: "/", what: "could not unmount an overlay" });
}

/** The empty directories of one mount. */
export function openBench(dir: string, name: string): string {
  for (const part of ["u", "w", "m"]) mkdirSync(join(dir, name, part), { recursive: true });
  // It becomes the root of the tree.
  chmodSync(join(dir, name, "u"), 0o755);
  return name;
}

/** Whether an overlay can be mounted with `dir` holding all of it. */
export async function canOverlay(dir: string, shell: Shell): Promise<boolean> {
  const name = `probe.${process.pid}`;
  const bench = openBench(dir, name);
  mkdirSync(join(dir, bench, "l"));
  try {
    await unmount(shell, await mountOverlay({ dir, lower: [`${bench}/l`], bench, shell }));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(join(dir, bench), { recursive: true, force: true });
  }
}
