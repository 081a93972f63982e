// FILE.bmap: which blocks of a sparse image have to be written, with their SHA-256, so that bmaptool copies less than dd would, and
// notices what went wrong. Format 2.0 of the bmap-tools project. Left out is what no file system uses. They say so themselves, and not the
// holes of the file: the same bytes have the same map everywhere.
import { createHash } from "node:crypto";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { digestsOf, type Extent } from "./digests.ts";
import type { Layout } from "./layout.ts";
import { partOf } from "./own.ts";
import { unusedOf } from "./unused.ts";

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

/** Bytes of the longest range; neighbours are what several processors work on. */
const longest = 16 << 20;

/** The ranges of all blocks but those that are unused as a whole. `unused` is in the order of the disk. */
export async function mappedRanges(file: string, unused: readonly Extent[]): Promise<BlockMap> {
  const { size } = statSync(file);
  const extents = usedExtents(size, unused);
  const digests = await digestsOf(file, extents);
  return { ranges: extents.map(({ start, end }, i) => ({ first: start / blockSize, last: end / blockSize - 1, sha256: digests[i]! })), bytes: size };
}

/** Whole blocks, the last of which the end of the file may be in. */
function usedExtents(size: number, unused: readonly Extent[]): Extent[] {
  const found: Extent[] = [];
  let at = 0;
  const upTo = (end: number) => {
    for (; at < end; at = Math.min(at + longest, end)) found.push({ start: at, end: Math.min(at + longest, end) });
  };
  for (const { start, end } of unused) {
    const [first, next] = [Math.ceil(start / blockSize) * blockSize, Math.floor(end / blockSize) * blockSize];
    if (first >= next) continue;
    upTo(first);
    at = next;
  }
  upTo(Math.ceil(size / blockSize) * blockSize);
  return found;
}

/** Writes the map of `disk` beside it. Its own checksum is taken with zeros in its place. */
export function writeBmap(disk: string, map: BlockMap): void {
  const file = bmapOf(disk);
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

/** The map of the disk `file`, which will be `becomes`: no map of what was that before outlasts it. */
export async function mapDisk(file: string, layout: Layout, becomes: string): Promise<BlockMap> {
  const map = await mappedRanges(file, unusedOf(file, layout));
  rmSync(bmapOf(becomes), { force: true });
  return map;
}

/** Where bmaptool looks for it. */
function bmapOf(disk: string): string {
  return `${disk}.bmap`;
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
