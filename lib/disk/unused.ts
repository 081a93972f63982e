// What the file systems of a disk have no use for. A block of zeros that one of them uses (a table of FAT, a journal, a file that holds
// zeros) counts as much as any other where the disk was not blank before: only what is free may be left out.
import { closeSync, openSync, readSync } from "node:fs";
import type { Extent } from "./digests.ts";
import { MiB, type Layout, type Partition } from "./layout.ts";

/**
 * In the order of the disk. What lies outside of partitions is not in it, nor their first and last MiB: there others are looked for that may
 * have been on the disk (RAID, ZFS).
 */
export function unusedOf(disk: string, layout: Layout): Extent[] {
  const fd = openSync(disk, "r");
  try {
    return layout.partitions.flatMap((p) => {
      const read = (at: number, bytes: number) => bytesAt(fd, p.start + at, bytes);
      const [least, most] = [p.start + MiB, p.start + p.bytes - MiB];
      return freeOf(p, read).map((e) => ({ start: Math.max(least, p.start + e.start), end: Math.min(most, p.start + e.end) })).filter((e) => e.start < e.end);
    });
  } finally {
    closeSync(fd);
  }
}

function bytesAt(fd: number, at: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  readSync(fd, buffer, 0, bytes, at);
  return buffer;
}

/** Bytes from the beginning of the partition. */
type Read = (at: number, bytes: number) => Buffer;

function freeOf(p: Partition, read: Read): Extent[] {
  return p.holds === "boot" || p.holds === "files" ? freeOfFat(read) : freeOfExt4(read);
}

/** Clusters that the first table of a FAT32 says are free. */
function freeOfFat(read: Read): Extent[] {
  const boot = read(0, 512);
  const sector = boot.readUInt16LE(11);
  const cluster = boot.readUInt8(13) * sector;
  const [reserved, tables, tableBytes] = [boot.readUInt16LE(14) * sector, boot.readUInt8(16), boot.readUInt32LE(36) * sector];
  const data = reserved + tables * tableBytes;
  const clusters = Math.floor((boot.readUInt32LE(32) * sector - data) / cluster);
  const table = read(reserved, tableBytes);
  // The first two entries are of no cluster.
  return stretches(clusters, (i) => (table.readUInt32LE((i + 2) * 4) & 0x0fffffff) === 0).map((e) => ({ start: data + e.start * cluster, end: data + e.end * cluster }));
}

const blockUninit = 2;

/** Blocks that the bitmaps of an ext4 say are free, as lib/disk/filesystems.ts has it made: blocks of 4 KiB, descriptors of 64 bytes after the first. */
function freeOfExt4(read: Read): Extent[] {
  const block = 4096;
  const superblock = read(1024, 1024);
  const blocks = superblock.readUInt32LE(4) + superblock.readUInt32LE(0x150) * 2 ** 32;
  const perGroup = superblock.readUInt32LE(32);
  const groups = Math.ceil(blocks / perGroup);
  const descriptors = read(block, groups * 64);
  const copies = 1 + Math.ceil((groups * 64) / block) + superblock.readUInt16LE(0xce);
  return Array.from({ length: groups }, (_, g) => {
    const d = descriptors.subarray(g * 64, g * 64 + 64);
    const first = g * perGroup;
    const count = Math.min(perGroup, blocks - first);
    const free = d.readUInt16LE(0xc) + d.readUInt16LE(0x2c) * 2 ** 16;
    if (free === 0) return [];
    // A bitmap that was never written: in use is at most a copy of the superblock and of all descriptors, at the beginning.
    if ((d.readUInt16LE(0x12) & blockUninit) !== 0) return count - free === 0 || count - free === copies ? [{ start: (first + count - free) * block, end: (first + count) * block }] : [];
    const bitmap = read((d.readUInt32LE(0) + d.readUInt32LE(0x20) * 2 ** 32) * block, block);
    return stretches(count, (i) => (bitmap[i >> 3]! & (1 << (i & 7))) === 0).map((e) => ({ start: (first + e.start) * block, end: (first + e.end) * block }));
  }).flat();
}

/** Of the numbers below `count` those that `is` true for. */
function stretches(count: number, is: (i: number) => boolean): Extent[] {
  const found: Extent[] = [];
  let start: number | undefined;
  for (let i = 0; i <= count; i++) {
    if (i < count && is(i)) start ??= i;
    else if (start !== undefined) {
      found.push({ start, end: i });
      start = undefined;
    }
  }
  return found;
}
