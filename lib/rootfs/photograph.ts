// What stat says of every path of a tree, so that two moments can be told apart.
import { lstatSync, readdirSync } from "node:fs";

export type Photograph = ReadonlyMap<string, string>;

export interface TreeChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export function photograph(root: string): Photograph {
  const facts = new Map<string, string>();
  const into = (dir: string) => {
    for (const name of readdirSync(root + dir)) {
      const path = `${dir}/${name}`;
      const s = lstatSync(root + path, { bigint: true });
      const isDir = s.isDirectory();
      // A directory changes when what is in it does; that is told of the file.
      facts.set(path, `${s.mode} ${s.uid} ${s.gid} ${isDir ? "" : `${s.ino} ${s.size} ${s.mtimeNs} ${s.ctimeNs}`}`);
      if (isDir) into(path);
    }
  };
  into("");
  return facts;
}

export function changesIn(before: Photograph, after: Photograph): TreeChanges {
  const paths = [...after.keys()].sort();
  return {
    added: paths.filter((p) => !before.has(p)),
    changed: paths.filter((p) => before.has(p) && before.get(p) !== after.get(p)),
    removed: [...before.keys()].filter((p) => !after.has(p)).sort(),
  };
}
