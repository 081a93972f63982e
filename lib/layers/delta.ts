// One layer's tree as the kernel leaves it: what was added or changed lies at its path, what was removed is a device node 0/0.
import { createHash } from "node:crypto";
import { lutimesSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { walk } from "../rootfs/tree.ts";

/** Whether a path of a layer says that the path is gone. */
export function isGone(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0;
}

/** No time after `epoch` (seconds); directories of the stack below are in a layer only because something in them changed. */
export function clampLayer(tree: string, epoch: number): void {
  walk(tree, (path, stat) => {
    if (!isGone(stat) && stat.mtimeMs > epoch * 1000) lutimesSync(tree + path, epoch, epoch);
  });
}

/** Every path of a layer, the removed ones too. */
export function pathsOf(tree: string): string[] {
  const paths: string[] = [];
  walk(tree, (path) => paths.push(path));
  return paths;
}

/** SHA-256 over all that a layer of files changes; extended attributes apart, which steps that write files never set. */
export function digestOf(tree: string): string {
  const hash = createHash("sha256");
  const names = new Map<number, string>();
  walk(tree, (path, s) => {
    const meta = `${JSON.stringify(path)} ${s.mode} ${s.uid} ${s.gid}`;
    if (isGone(s)) return void hash.update(`${JSON.stringify(path)} gone\n`);
    if (s.isDirectory()) return void hash.update(`${meta} ${s.mtimeMs}\n`);
    if (s.isSymbolicLink()) return void hash.update(`${meta} ${s.mtimeMs} ${JSON.stringify(readlinkSync(tree + path))}\n`);
    const first = s.nlink > 1 ? names.get(s.ino) : undefined;
    if (s.nlink > 1 && first === undefined) names.set(s.ino, path);
    const content = first === undefined ? createHash("sha256").update(readFileSync(tree + path)).digest("hex") : `is ${JSON.stringify(first)}`;
    hash.update(`${meta} ${s.mtimeMs} ${s.size} ${content}\n`);
  });
  return hash.digest("hex");
}
