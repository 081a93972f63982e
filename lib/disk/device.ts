// A disk image written straight to a device: all that its map has, read back and compared. Whatever is mounted, in use, or holds the
// running system is refused, first by what lsblk says and then by the kernel (O_EXCL).
import { createHash } from "node:crypto";
import { closeSync, constants, fdatasyncSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { basename } from "node:path";
import type { Emit } from "../events.ts";
import { UserError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { mayAccess } from "../hosterrors.ts";
import { run, shellQuote } from "../run.ts";
import { blockSize, mappedBytes, type BlockMap, type Range } from "./bmap.ts";
import { sectorSize } from "./layout.ts";

export interface BlockDevice {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly serial: string | null;
  readonly ro: boolean;
  /** Bytes of a sector, as the disk shows itself. */
  readonly "log-sec": number;
  /** The kernel's number of this disk, which no other gets that has its name later; none before Linux 5.15. */
  readonly diskseq?: string | undefined;
  readonly mountpoints?: readonly (string | null)[];
  readonly children?: readonly BlockDevice[];
}

/** The device, if it may be written to. */
export async function deviceFor(path: string, bytes: number): Promise<BlockDevice> {
  const r = await run(["lsblk", "--json", "--bytes", "--output", "PATH,TYPE,SIZE,MODEL,SERIAL,RO,LOG-SEC,MOUNTPOINTS", path], { ok: [0, 1, 32, 64], what: "could not look at the disks" });
  const found = r.code === 0 ? (JSON.parse(r.stdout) as { blockdevices: BlockDevice[] }).blockdevices[0] : undefined;
  if (!found) throw new UserError("device.absent", `there is no disk \`${path}\``, { hint: "lsblk --nodeps --output PATH,SIZE,MODEL,SERIAL" });
  const why = refusal(found, bytes);
  if (why) throw new UserError("device.refused", `\`${path}\` (${described(found)}) is not written to: ${why.message}`, { ...(why.hint && { hint: why.hint }) });
  return { ...found, diskseq: diskseqOf(found.path) };
}

function diskseqOf(path: string): string | undefined {
  try {
    return readFileSync(`/sys/class/block/${basename(path)}/diskseq`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Why it is left alone, or undefined. */
export function refusal(d: BlockDevice, bytes: number): { message: string; hint?: string } | undefined {
  if (d.type !== "disk" && d.type !== "loop") return { message: `it is a ${d.type} and no whole disk`, hint: "name the disk, /dev/sdX, and not a part of it" };
  const mounted = mountsOf(d);
  if (mounted.includes("/")) return { message: "the system that is running here is on it" };
  if (mounted.length > 0) return { message: `it is in use: ${mounted.join(", ")}`, hint: mounted.map((m) => (m === "[SWAP]" ? "swapoff --all" : shellQuote(["umount", m]))).join("\n") };
  const users = usersOf(d);
  if (users.length > 0) return { message: `it is in use: ${users.map((u) => `\`${u.path}\` (${u.type}) is on it`).join(", ")}`, hint: users.reverse().map(release).join("\n") };
  if (d.ro) return { message: "it is read-only" };
  if (d["log-sec"] !== sectorSize) return { message: `its sectors have ${d["log-sec"]} bytes, and the image is made for ${sectorSize}`, hint: "take another disk; some NVMe disks can be set to 512: nvme format --lbaf=…" };
  if (d.size < bytes) return { message: `it has ${formatBytes(d.size)}, and the image needs ${formatBytes(bytes)}` };
  return undefined;
}

function mountsOf(d: BlockDevice): string[] {
  return [...(d.mountpoints ?? []).filter((m): m is string => m !== null), ...(d.children ?? []).flatMap(mountsOf)];
}

/** What is made of the disk or its partitions, and open: LVM, encryption, RAID; what lies upon another one comes after it. */
function usersOf(d: BlockDevice): BlockDevice[] {
  return (d.children ?? []).flatMap((c) => [...(c.type === "part" ? [] : [c]), ...usersOf(c)]);
}

function release({ type, path }: BlockDevice): string {
  if (type === "lvm") return shellQuote(["lvchange", "--activate", "n", path]);
  if (type === "crypt") return shellQuote(["cryptsetup", "close", path]);
  if (type.startsWith("raid")) return shellQuote(["mdadm", "--stop", path]);
  return shellQuote(["dmsetup", "remove", path]);
}

export function described(d: BlockDevice): string {
  return [d.model?.trim() || "no model", formatBytes(d.size), `serial ${d.serial?.trim() || "unknown"}`].join(", ");
}

const step = 4 << 20;

/** Bytes that may lie in memory. More of them, and the progress would be that of memory: the last sync takes minutes, and says not which place of the disk fails. */
const mostWaiting = 32 << 20;

/** Writes the image `file` and compares; the beginning, without which nothing starts, comes last. */
export async function writeDevice(file: string, map: BlockMap, device: BlockDevice, emit: Emit): Promise<void> {
  const total = 2 * mappedBytes(map.ranges);
  let done = 0;
  const tell = (n: number) => emit({ type: "progress", stage: "disk", done: (done += n), total, unit: "bytes", label: device.path });
  let waiting = 0;
  const from = openSync(file, "r");
  const to = open(device);
  const settle = (at?: number) => {
    told(device, "written", () => fdatasyncSync(to), at);
    tell(waiting);
    waiting = 0;
  };
  try {
    await stillThat(device, map.bytes);
    // What an earlier table left at either end would be found again.
    const zeros = Buffer.alloc(1 << 20);
    write(to, device, zeros, 0);
    write(to, device, zeros, device.size - zeros.length);
    settle();
    for (const piece of piecesOf(map.ranges).reverse()) await turn(() => {
      // The disk has all of it before its beginning.
      if (piece.start === 0) settle(piece.bytes);
      write(to, device, read(from, piece), piece.start);
      waiting += piece.bytes;
      if (waiting >= mostWaiting) settle(piece.start);
    });
    settle(0);
    // Else what is in memory would be compared. Whoever may write to the disk may do this; blockdev --flushbufs is for root alone.
    await run(["dd", `if=${device.path}`, "iflag=nocache", "count=0", "status=none"], { what: "could not empty the cache of the disk" });
    await compare(to, device, map.ranges, tell);
  } finally {
    closeSync(from);
    closeSync(to);
  }
  await run(["blockdev", "--rereadpt", device.path], { ok: [0, 1], what: "could not have the table read again" });
}

/** Throws when it may not be written to, by whoever this is. `file` is what would be. */
export function mayWrite(device: BlockDevice, file: string): void {
  if (mayAccess(device.path, constants.R_OK | constants.W_OK)) return;
  const words = shellQuote([`if=${file}`, `of=${device.path}`]);
  throw new UserError("device.access", `you may not write to \`${device.path}\``, { hint: `make the disk as you are, which is the same without --device, and write it as root:\nsudo dd ${words} bs=4M conv=fsync   # or bmaptool copy, which compares` });
}

function open(device: BlockDevice): number {
  try {
    return openSync(device.path, constants.O_RDWR | constants.O_EXCL);
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === "EBUSY") throw new UserError("device.busy", `\`${device.path}\` is in use`, { hint: `lsblk ${device.path}; sudo fuser --verbose ${device.path}   # what is on it, and who has it open` });
    throw failed(device, "opened", e);
  }
}

/** Much time may have gone by since somebody said yes to this disk, and another one can have its name by now. */
async function stillThat(device: BlockDevice, bytes: number): Promise<void> {
  const now = await deviceFor(device.path, bytes);
  if (isSame(now, device)) return;
  const change = described(now) === described(device) ? `it was taken out meanwhile, and what is there now calls itself ${described(now)}, too` : `it was ${described(device)}, and is ${described(now)}`;
  throw new UserError("device.changed", `\`${device.path}\` is another disk than before: ${change}; nothing was written`, { hint: "lsblk --nodeps --output PATH,SIZE,MODEL,SERIAL\nand again, with the name that your disk has now" });
}

export function isSame(a: BlockDevice, b: BlockDevice): boolean {
  return a.size === b.size && a.serial === b.serial && a.model === b.model && a.diskseq === b.diskseq;
}

interface Piece {
  readonly start: number;
  readonly bytes: number;
}

/** In the order of the disk. */
function piecesOf(ranges: readonly Range[]): Piece[] {
  return ranges.flatMap(({ first, last }) => {
    const [start, end] = [first * blockSize, (last + 1) * blockSize];
    return Array.from({ length: Math.ceil((end - start) / step) }, (_, i) => ({ start: start + i * step, bytes: Math.min(step, end - start - i * step) }));
  });
}

/** This process hears Ctrl-C after it. */
async function turn(act: () => void): Promise<void> {
  act();
  await new Promise((resolve) => setImmediate(resolve));
}

const buffer = Buffer.allocUnsafe(step);

/** Of the image or the device, which have all of it. */
function read(from: number, { start, bytes }: Piece): Buffer {
  for (let done = 0; done < bytes; ) {
    const n = readSync(from, buffer, done, bytes - done, start + done);
    if (n === 0) throw new Error(`the end is at byte ${start + done}`);
    done += n;
  }
  return buffer.subarray(0, bytes);
}

function write(to: number, device: BlockDevice, piece: Buffer, at: number): void {
  told(device, "written", () => {
    for (let done = 0; done < piece.length; ) done += writeSync(to, piece, done, piece.length - done, at + done);
  }, at);
}

async function compare(fd: number, device: BlockDevice, ranges: readonly Range[], tell: (n: number) => void): Promise<void> {
  for (const range of ranges) {
    const hash = createHash("sha256");
    for (const piece of piecesOf([range])) await turn(() => {
      hash.update(told(device, "read", () => read(fd, piece), piece.start));
      tell(piece.bytes);
    });
    if (hash.digest("hex") !== range.sha256) throw new UserError("device.differs", `\`${device.path}\` does not hold what was written to it, from byte ${range.first * blockSize} on: it is broken`, { hint: "try another port or reader, without a hub or a long cable; if it differs again, take another disk" });
  }
}

/** What the kernel says of a disk that fails, or that is not there any more. */
function told<T>(device: BlockDevice, what: string, act: () => T, at?: number): T {
  try {
    return act();
  } catch (e) {
    throw failed(device, what, e, at);
  }
}

export function failed(device: BlockDevice, what: string, e: unknown, at?: number): UserError {
  const code = (e as NodeJS.ErrnoException).code ?? String(e);
  const gone = code === "ENXIO" || code === "ENODEV";
  return new UserError("device.failed", `\`${device.path}\` (${described(device)}) could not be ${what}${at === undefined ? "" : ` at byte ${at}`}: ${gone ? "it is not there any more" : code}`, {
    hint: `${gone ? "" : "dmesg | tail   # what the kernel says of it\n"}look at its plug and cable, then again; take another disk if it fails again`, cause: e,
  });
}
