// FILE.bmap: which blocks of a sparse image hold anything, with their SHA-256, so that bmaptool copies a tenth of what dd would, and
// notices what went wrong. Format 2.0 of the bmap-tools project. What holds nothing is told by its zeros and not by the file
// system's holes: the same bytes have the same map everywhere.
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from "node:fs";

export const blockSize = 4096;

/** Blocks `first` to `last`, both of them in it. */
export interface Range {
  readonly first: number;
  readonly last: number;
  readonly sha256: string;
}

const step = 1 << 20;
const zeros = Buffer.alloc(step);

/** The ranges of blocks that are not all zeros. */
export function mappedRanges(file: string): { ranges: Range[]; bytes: number } {
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
    for (let at = 0; at < size; ) {
      const n = readSync(fd, buffer, 0, step, at);
      if (n === 0) break;
      for (const [from, to, empty] of runs(buffer.subarray(0, n))) {
        if (empty) close((at + from) / blockSize);
        else (open ??= { first: (at + from) / blockSize, hash: createHash("sha256") }).hash.update(buffer.subarray(from, to));
      }
      at += n;
    }
    close(Math.ceil(size / blockSize));
    return { ranges, bytes: size };
  } finally {
    closeSync(fd);
  }
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
export function writeBmap(file: string, map: { ranges: readonly Range[]; bytes: number }): void {
  const text = (checksum: string) => bmapText(map, checksum);
  const sum = createHash("sha256").update(text("0".repeat(64))).digest("hex");
  writeFileSync(file, text(sum));
}

/** Bytes that hold anything. */
export function mappedBytes(ranges: readonly Range[]): number {
  return ranges.reduce((sum, r) => sum + r.last - r.first + 1, 0) * blockSize;
}

/** Maps `file`, into the file `bmap` if one is given; returns the bytes that hold anything. */
export function mapDisk(file: string, bmap: string | undefined): number {
  const map = mappedRanges(file);
  if (bmap !== undefined) writeBmap(bmap, map);
  return mappedBytes(map.ranges);
}

function bmapText({ ranges, bytes }: { ranges: readonly Range[]; bytes: number }, checksum: string): string {
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
