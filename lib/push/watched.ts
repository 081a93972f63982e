// Notices when a file is saved. It looks at the files every so often: that works on every file system, sees what any editor does, and costs
// a few milliseconds for a few hundred files.
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A print of each file, by path. */
export type Photo = ReadonlyMap<string, string>;

/** What editors and builds leave beside the files that count. */
const besides = /^(\.#.*|.*~|\..*\.sw[a-z]|4913|#.*#|.*\.tmp)$/;

/** All files at and below `roots`. */
export function photograph(roots: Iterable<string>): Photo {
  const photo = new Map<string, string>();
  const take = (path: string, name: string) => {
    if (besides.test(name) || photo.has(path)) return;
    const s = lstatSync(path, { throwIfNoEntry: false });
    if (!s) return;
    if (s.isDirectory()) for (const entry of readdirSync(path)) take(join(path, entry), entry);
    else photo.set(path, `${s.ino} ${s.size} ${s.mode} ${s.mtimeMs} ${s.ctimeMs}`);
  };
  for (const root of roots) take(root, "");
  return photo;
}

/** Paths that are not the same in both. */
export function changedBetween(before: Photo, after: Photo): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path)).sort();
}

/** Waits for a change of what `roots` had, and until nothing more has changed for a moment; the paths. */
export async function nextChange(roots: Iterable<string>, before: Photo): Promise<{ paths: string[]; photo: Photo }> {
  for (let last = before, pause = 100; ; ) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const start = performance.now();
    const photo = photograph(roots);
    // Of a processor's time no more than a tenth.
    pause = Math.max(100, (performance.now() - start) * 10);
    const paths = changedBetween(before, photo);
    if (paths.length > 0 && changedBetween(last, photo).length === 0) return { paths, photo };
    last = photo;
  }
}
