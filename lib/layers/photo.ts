// What the file system says of every path of a tree, as find(1) tells it: 19,000 paths in 0.1 s, beside whatever else goes on.
// ctime cannot be set back, so a changed file shows itself whoever changed it, and however.
import { collect } from "../run.ts";

/** A record per path, NUL-terminated: `INODE SIZE MTIME CTIME TYPE PATH`, PATH relative, "" the root. */
export type Photo = string;

/** The photo of `dir`; undefined when part of it could not be seen. */
export async function photo(dir: string): Promise<Photo | undefined> {
  const r = await collect(["find", ".", "-printf", "%i %s %T@ %C@ %y %P\\0"], dir);
  return r.code === 0 ? r.stdout : undefined;
}

/** The records of a photo by path. */
export function records(of: Photo): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < of.length; ) {
    const end = of.indexOf("\0", at);
    let cut = at;
    for (let field = 0; field < 5; field++) cut = of.indexOf(" ", cut) + 1;
    found.set(of.slice(cut, end), of.slice(at, cut - 1));
    at = end + 1;
  }
  return found;
}

export interface Differences {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Paths that differ. A directory of which no more is known than that its ctime moved counts as changed only if nothing in it
 * did: the ctime of a directory moves with what is in it.
 */
export function differences(before: Photo, after: Photo): Differences {
  if (before === after) return { added: [], changed: [], removed: [] };
  const [old, now] = [records(before), records(after)];
  const added = [...now.keys()].filter((p) => !old.has(p));
  const removed = [...old.keys()].filter((p) => !now.has(p));
  const differ = [...now].filter(([p, r]) => old.has(p) && old.get(p) !== r).map(([p]) => p);
  const isDirectory = (p: string) => now.get(p)!.endsWith(" d") && old.get(p)!.endsWith(" d");
  const parents = new Set([...added, ...removed, ...differ.filter((p) => !isDirectory(p))].map((p) => p.slice(0, Math.max(0, p.lastIndexOf("/")))));
  return { added, changed: differ.filter((p) => !isDirectory(p) || !parents.has(p)), removed };
}
