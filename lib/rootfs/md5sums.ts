// info/PACKAGE.md5sums for packages that bring none: dpkg makes it while it unpacks, and its audit wants it.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { StoredDeb } from "../store/store.ts";

/** A line per file and hard link, conffiles too, in the order of the archive. */
export function md5sumsOf(stored: StoredDeb): string {
  const fd = openSync(stored.tar, "r");
  const byPath = new Map(stored.entries.map((e) => [e.path, e]));
  const contentOf = (path: string): { offset: number; size: number } | undefined => {
    const e = byPath.get(path);
    return e?.type === "hardlink" ? contentOf(e.link!) : e?.type === "file" ? e : undefined;
  };
  try {
    return stored.entries.map(({ path }) => {
      const content = contentOf(path);
      return content ? `${md5(fd, content)}  ${path.slice(1)}\n` : "";
    }).join("");
  } finally {
    closeSync(fd);
  }
}

function md5(fd: number, { offset, size }: { offset: number; size: number }): string {
  const hash = createHash("md5");
  const buffer = Buffer.alloc(1 << 16);
  for (let done = 0; done < size; ) {
    const n = readSync(fd, buffer, 0, Math.min(buffer.length, size - done), offset + done);
    if (n === 0) break;
    hash.update(buffer.subarray(0, n));
    done += n;
  }
  return hash.digest("hex");
}
