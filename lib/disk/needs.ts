// How large the parts have to be, from what goes into them. An estimate that errs upwards: what is too much is a hole in the file.
import { statSync } from "node:fs";
import { walk } from "../rootfs/tree.ts";
import type { BootFile } from "./boot.ts";
import { MiB, type Needs } from "./layout.ts";

const block = 4096;

export function needsOf(image: string, boot: readonly BootFile[]): Needs {
  const kernels = boot.reduce((sum, f) => sum + (typeof f.content === "string" ? block : statSync(f.content.file).size), MiB);
  // FAT32 begins at 65,525 clusters: 128 MiB of 2 KiB each, and the tables.
  return { root: ext4Bytes(image), esp: Math.max(kernels + 4 * MiB, 132 * MiB), data: 16 * MiB };
}

/**
 * Blocks of the files, an inode for every 16 KiB as mke2fs is told to make, its journal, and a fiftieth for its tables. What the file
 * system of this machine says of directories is not asked: the same tree has the same size everywhere.
 */
function ext4Bytes(root: string): number {
  const seen = new Set<number>();
  const names = new Map<string, number>([["", 0]]);
  let [blocks, inodes] = [0, 0];
  walk(root, (path, s) => {
    const cut = path.lastIndexOf("/");
    names.set(path.slice(0, cut), (names.get(path.slice(0, cut)) ?? 0) + 8 + Math.ceil(Buffer.byteLength(path.slice(cut + 1)) / 4) * 4);
    if (s.nlink > 1 && !s.isDirectory()) {
      if (seen.has(s.ino)) return;
      seen.add(s.ino);
    }
    inodes++;
    if (s.isDirectory()) names.set(path, 0);
    else blocks += s.isFile() ? Math.ceil(s.size / block) : s.isSymbolicLink() && s.size >= 60 ? 1 : 0;
  });
  // Blocks of directories are seldom full.
  for (const bytes of names.values()) blocks += Math.ceil((bytes * 1.7) / block) || 1;
  const content = Math.max(blocks * block, inodes * 16384);
  return Math.ceil(content * (1 + 256 / 16384 + 1 / 50 + 1 / 99)) + 32 * MiB;
}
