// FILE.bmap: which blocks of a sparse image have to be written, with their SHA-256, so that bmaptool copies a tenth of what dd would, and
// notices what went wrong. Format 2.0 of the bmap-tools project. Left out is what no file system uses and is all zeros. That is told by
// the bytes and not by the holes of the file: the same bytes have the same map everywhere.
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, renameSync, writeFileSync } from "node:fs";
import type { Layout } from "./layout.ts";
import { partOf } from "./own.ts";
import { unusedOf, type Extent } from "./unused.ts";

export const blockSize = 4096;

/** Blocks `first` to `last`, both of them in it. */
export interface Range {
  readonly first: number;
  readonly last: number;
  readonly sha256: string;
}

export interface BlockMap {
  readonly ranges: readonly Range[];
  /** Of the whole image. */
  readonly bytes: number;
}

const step = 1 << 20;
const zeros = Buffer.alloc(step);

/** The ranges of all blocks but those in `unused` that are all zeros. */
export function mappedRanges(file: string, unused: readonly Extent[]): BlockMap {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.allocUnsafe(step);
    const ranges: Range[] = [];
    let open: { first: number; hash: ReturnType<typeof createHash> } | undefined;
    const close = (next: number) => {
      if (open) ranges.push({ first: open.first, last: next - 1, sha256: open.hash.digest("hex") });
      open = undefined;
    };
    for (const { start, end, used } of pieces(size, unused)) {
      const piece = buffer.subarray(0, readSync(fd, buffer, 0, end - start, start));
      for (const [from, to, empty] of used ? [[0, piece.length, false] as const] : runs(piece)) {
        if (empty) close((start + from) / blockSize);
        else (open ??= { first: (start + from) / blockSize, hash: createHash("sha256") }).hash.update(piece.subarray(from, to));
      }
    }
    close(Math.ceil(size / blockSize));
    return { ranges, bytes: size };
  } finally {
    closeSync(fd);
  }
}

/** All of the file; a block that is unused in part is used. */
function* pieces(size: number, unused: readonly Extent[]): Generator<Extent & { readonly used: boolean }> {
  let at = 0;
  function* upTo(end: number, used: boolean) {
    for (; at < end; at = Math.min(at + step, end)) yield { start: at, end: Math.min(at + step, end), used };
  }
  for (const { start, end } of unused) {
    yield* upTo(Math.ceil(start / blockSize) * blockSize, true);
    yield* upTo(Math.floor(end / blockSize) * blockSize, false);
  }
  yield* upTo(size, true);
}

/** Pieces of `b` whose blocks are all zeros, or all not. */
function* runs(b: Buffer): Generator<[from: number, to: number, empty: boolean]> {
  if (b.compare(zeros, 0, b.length) === 0) return yield [0, b.length, true];
  let from = 0;
  let empty = isEmpty(b, 0);
  for (let at = blockSize; at < b.length; at += blockSize) {
    const now = isEmpty(b, at);
    if (now === empty) continue;
    yield [from, at, empty];
    [from, empty] = [at, now];
  }
  yield [from, b.length, empty];
}

function isEmpty(b: Buffer, at: number): boolean {
  const end = Math.min(at + blockSize, b.length);
  // Most blocks say with their first byte that they are not.
  if (b[at] !== 0) return false;
  return b.compare(zeros, 0, end - at, at, end) === 0;
}

/** Writes `file`, whose own checksum is taken with zeros in its place. */
export function writeBmap(file: string, map: BlockMap): void {
  const text = (checksum: string) => bmapText(map, checksum);
  const sum = createHash("sha256").update(text("0".repeat(64))).digest("hex");
  const part = partOf(file);
  writeFileSync(part, text(sum));
  renameSync(part, file);
}

/** Bytes that have to be written. */
export function mappedBytes(ranges: readonly Range[]): number {
  return ranges.reduce((sum, r) => sum + r.last - r.first + 1, 0) * blockSize;
}

/** Maps the disk `file`, into the file `bmap`. */
export function mapDisk(file: string, layout: Layout, bmap: string): BlockMap {
  const map = mappedRanges(file, unusedOf(file, layout));
  writeBmap(bmap, map);
  return map;
}

function bmapText({ ranges, bytes }: BlockMap, checksum: string): string {
  const lines = ranges.map((r) => `        <Range chksum="${r.sha256}">${r.first === r.last ? ` ${r.first} ` : ` ${r.first}-${r.last} `}</Range>`);
  return `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> ${bytes} </ImageSize>
    <BlockSize> ${blockSize} </BlockSize>
    <BlocksCount> ${Math.ceil(bytes / blockSize)} </BlocksCount>
    <MappedBlocksCount> ${mappedBytes(ranges) / blockSize} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${checksum} </BmapFileChecksum>
    <BlockMap>
${lines.join("\n")}
    </BlockMap>
</bmap>
`;
}
