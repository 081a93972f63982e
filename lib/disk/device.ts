// A disk image written straight to a device: all that its map has, read back and compared. Whatever is mounted, in use, or holds the
// running system is refused, first by what lsblk says and then by the kernel (O_EXCL).
import { createHash } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import type { Emit } from "../events.ts";
import { UserError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { run } from "../run.ts";
import { blockSize, mappedBytes, type BlockMap, type Range } from "./bmap.ts";

export interface BlockDevice {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly serial: string | null;
  readonly ro: boolean;
  readonly mountpoints?: readonly (string | null)[];
  readonly children?: readonly BlockDevice[];
}

/** The device, if it may be written to. */
export async function deviceFor(path: string, bytes: number): Promise<BlockDevice> {
  const r = await run(["lsblk", "--json", "--bytes", "--output", "PATH,TYPE,SIZE,MODEL,SERIAL,RO,MOUNTPOINTS", path], { ok: [0, 1, 32, 64], what: "could not look at the disks" });
  const found = r.code === 0 ? (JSON.parse(r.stdout) as { blockdevices: BlockDevice[] }).blockdevices[0] : undefined;
  if (!found) throw new UserError("device.absent", `there is no disk \`${path}\``, { hint: "lsblk --nodeps --output PATH,SIZE,MODEL,SERIAL" });
  const why = refusal(found, bytes);
  if (why) throw new UserError("device.refused", `\`${path}\` (${described(found)}) is not written to: ${why.message}`, { ...(why.hint && { hint: why.hint }) });
  return found;
}

/** Why it is left alone, or undefined. */
export function refusal(d: BlockDevice, bytes: number): { message: string; hint?: string } | undefined {
  if (d.type !== "disk" && d.type !== "loop") return { message: `it is a ${d.type} and no whole disk`, hint: "name the disk, /dev/sdX, and not a part of it" };
  const mounted = mountsOf(d);
  if (mounted.includes("/")) return { message: "the system that is running here is on it" };
  if (mounted.length > 0) return { message: `it is in use: ${mounted.join(", ")}`, hint: mounted.map((m) => (m === "[SWAP]" ? "swapoff --all" : `umount ${m}`)).join("\n") };
  if (d.ro) return { message: "it is read-only" };
  if (d.size < bytes) return { message: `it has ${formatBytes(d.size)}, and the image needs ${formatBytes(bytes)}` };
  return undefined;
}

function mountsOf(d: BlockDevice): string[] {
  return [...(d.mountpoints ?? []).filter((m): m is string => m !== null), ...(d.children ?? []).flatMap(mountsOf)];
}

export function described(d: BlockDevice): string {
  return [d.model?.trim() || "no model", formatBytes(d.size), `serial ${d.serial?.trim() || "unknown"}`].join(", ");
}

const step = 4 << 20;

/** Writes the image `file` and compares; the beginning, without which nothing starts, comes last. */
export async function writeDevice(file: string, map: BlockMap, device: BlockDevice, emit: Emit): Promise<void> {
  const total = 2 * mappedBytes(map.ranges);
  let done = 0;
  const tell = (n: number) => emit({ type: "progress", stage: "disk", done: (done += n), total, unit: "bytes", label: device.path });
  const from = openSync(file, "r");
  const to = open(device);
  try {
    // What an earlier table left at either end would be found again.
    const zeros = Buffer.alloc(1 << 20);
    writeSync(to, zeros, 0, zeros.length, 0);
    writeSync(to, zeros, 0, zeros.length, device.size - zeros.length);
    for (const range of [...map.ranges].reverse()) await each(range, (at, n) => (copy(from, to, at, n), tell(n)));
    fsyncSync(to);
  } finally {
    closeSync(from);
    closeSync(to);
  }
  await run(["blockdev", "--flushbufs", device.path], { what: "could not empty the cache of the disk" });
  await compare(device, map.ranges, tell);
  await run(["blockdev", "--rereadpt", device.path], { ok: [0, 1], what: "could not have the table read again" });
}

function open(device: BlockDevice): number {
  try {
    return openSync(device.path, constants.O_RDWR | constants.O_EXCL);
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === "EBUSY") throw new UserError("device.busy", `\`${device.path}\` is in use`);
    if (code === "EACCES" || code === "EPERM") throw new UserError("device.access", `you may not write to \`${device.path}\``, { hint: "make the disk as you are, and write it as root: sudo debcast disk --device …" });
    throw e;
  }
}

/** Calls `act` for pieces of a range; this process still hears Ctrl-C in between. */
async function each(range: Range, act: (at: number, n: number) => void): Promise<void> {
  const end = (range.last + 1) * blockSize;
  for (let at = range.first * blockSize; at < end; at += step) {
    act(at, Math.min(step, end - at));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const buffer = Buffer.allocUnsafe(step);

function copy(from: number, to: number, at: number, n: number): void {
  // The image may end within the last block.
  const read = readSync(from, buffer, 0, n, at);
  buffer.fill(0, read, n);
  for (let done = 0; done < n; ) done += writeSync(to, buffer, done, n - done, at + done);
}

async function compare(device: BlockDevice, ranges: readonly Range[], tell: (n: number) => void): Promise<void> {
  const fd = openSync(device.path, "r");
  try {
    for (const range of ranges) {
      const hash = createHash("sha256");
      await each(range, (at, n) => {
        for (let done = 0; done < n; ) {
          const read = readSync(fd, buffer, done, n - done, at + done);
          if (read === 0) break;
          done += read;
        }
        hash.update(buffer.subarray(0, n));
        tell(n);
      });
      if (hash.digest("hex") !== range.sha256) throw new UserError("device.differs", `\`${device.path}\` does not hold what was written to it, from byte ${range.first * blockSize} on: it is broken`);
    }
  } finally {
    closeSync(fd);
  }
}
