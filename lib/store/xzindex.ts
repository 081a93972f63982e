// The index at the end of an .xz stream says how long the decompressed data is: known before a byte is decompressed, and
// checked by xz while it works. So it can be held against a limit, and many streams can share one process.
import { readAt } from "./ar.ts";

/** Decompressed size of the one stream that fills `size` bytes at `offset`; undefined if it is anything else. */
export function xzSize(fd: number, offset: number, size: number): number | undefined {
  if (size < 32 || size % 4 !== 0) return undefined;
  const footer = readAt(fd, offset + size - 12, 12);
  if (footer.length < 12 || footer.toString("latin1", 10, 12) !== "YZ") return undefined;
  const indexSize = (footer.readUInt32LE(4) + 1) * 4;
  if (indexSize + 24 > size || indexSize > 1 << 22) return undefined;
  const records = readRecords(readAt(fd, offset + size - 12 - indexSize, indexSize));
  if (!records) return undefined;
  const blocks = records.reduce((sum, r) => sum + Math.ceil(r.unpadded / 4) * 4, 0);
  // Header, blocks, index and footer: any more would be a second stream or padding.
  if (12 + blocks + indexSize + 12 !== size) return undefined;
  return records.reduce((sum, r) => sum + r.uncompressed, 0);
}

function readRecords(index: Buffer): { unpadded: number; uncompressed: number }[] | undefined {
  let at = 1;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = index[at++];
      if (byte === undefined || scale > 2 ** 49) return Number.NaN;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  if (index[0] !== 0) return undefined;
  const count = number();
  if (!(count <= index.length)) return undefined;
  const records = Array.from({ length: count }, () => ({ unpadded: number(), uncompressed: number() }));
  return records.every((r) => r.unpadded >= 0 && r.uncompressed >= 0) ? records : undefined;
}
