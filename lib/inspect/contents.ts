// Whether two files hold the same bytes.
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { unreadable, type Entry } from "./tree.ts";

const piece = 1 << 20;

/**
 * For files of the same size. Times prove nothing here: those of generated files are all clamped to the same second. Bytes are
 * compared where both can be read, else hashes.
 */
export function sameContents(a: Entry, b: Entry): boolean {
  if (a.size === 0) return true;
  if (a.sha256 === undefined && b.sha256 === undefined) return opened(a, (x) => opened(b, (y) => sameBytes(x, y)));
  return hashOf(a) === hashOf(b);
}

function sameBytes(x: number, y: number): boolean {
  const [one, other] = [Buffer.allocUnsafe(piece), Buffer.allocUnsafe(piece)];
  for (;;) {
    const [n, m] = [fill(x, one), fill(y, other)];
    if (n !== m || one.compare(other, 0, m, 0, n) !== 0) return false;
    if (n < piece) return true;
  }
}

function hashOf(e: Entry): string {
  return e.sha256 ?? opened(e, (fd) => {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(piece);
    for (let n; (n = fill(fd, buffer)) > 0; ) hash.update(buffer.subarray(0, n));
    return hash.digest("hex");
  });
}

/** As much as there is and fits. */
function fill(fd: number, buffer: Buffer): number {
  let got = 0;
  for (let n = -1; got < buffer.length && n !== 0; got += n) n = readSync(fd, buffer, got, buffer.length - got, null);
  return got;
}

function opened<T>(e: Entry, use: (fd: number) => T): T {
  let fd: number;
  try {
    fd = openSync(e.at!, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw unreadable(e.at!, error);
  }
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
