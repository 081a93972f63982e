// A copy of a tree that may be spoilt: an overlay whose changes go, or a plain copy where no overlay can be had.
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { run } from "../run.ts";
import { copyTree, removeTree } from "./tree.ts";

/** Calls `use` with a copy of what `trees` are together, lowest first, made in `work`; it is gone afterwards. */
export async function throwAway<T>(trees: readonly string[], work: string, use: (copy: string) => Promise<T>): Promise<T> {
  await removeTree(work);
  for (const dir of ["", "upper", "work", "copy"]) mkdirSync(join(work, dir), { recursive: true });
  const copy = join(work, "copy");
  const mounted = await mountOverlay(trees, work, copy);
  if (!mounted) {
    rmdirSync(copy);
    if (trees.length > 1) throw new UserError("shell.overlay", "the tree of the failed build is a stack of layers, and no overlay can be mounted here");
    await copyTree(trees[0]!, copy);
  }
  try {
    return await use(copy);
  } finally {
    if (mounted) await run(["umount", "-l", copy]);
    await removeTree(work);
  }
}

async function mountOverlay(lower: readonly string[], work: string, at: string): Promise<boolean> {
  const options = `lowerdir=${[...lower].reverse().map(escape).join(":")},upperdir=${escape(join(work, "upper"))},workdir=${escape(join(work, "work"))},userxattr,volatile`;
  return (await run(["mount", "-t", "overlay", "-o", options, "overlay", at], { ok: [0, 32] })).code === 0;
}

/** Commas and colons part options and layers. */
function escape(path: string): string {
  return path.replace(/[\\,:]/g, "\\$&");
}
