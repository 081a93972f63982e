// A copy of a tree that may be spoilt: an overlay whose changes go, or a plain copy where no overlay can be had.
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import { copyTree, removeTree } from "./tree.ts";

/** Calls `use` with a copy of `tree`, made in `work`; both are gone afterwards. */
export async function throwAway<T>(tree: string, work: string, use: (copy: string) => Promise<T>): Promise<T> {
  await removeTree(work);
  for (const dir of ["", "upper", "work", "copy"]) mkdirSync(join(work, dir), { recursive: true });
  const copy = join(work, "copy");
  const mounted = await mountOverlay(tree, work, copy);
  if (!mounted) {
    rmdirSync(copy);
    await copyTree(tree, copy);
  }
  try {
    return await use(copy);
  } finally {
    if (mounted) await run(["umount", "-l", copy]);
    await removeTree(work);
  }
}

async function mountOverlay(lower: string, work: string, at: string): Promise<boolean> {
  const options = `lowerdir=${escape(lower)},upperdir=${escape(join(work, "upper"))},workdir=${escape(join(work, "work"))},userxattr,volatile`;
  return (await run(["mount", "-t", "overlay", "-o", options, "overlay", at], { ok: [0, 32] })).code === 0;
}

/** Commas and colons part options and layers. */
function escape(path: string): string {
  return path.replace(/[\\,:]/g, "\\$&");
}
