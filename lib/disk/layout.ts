// Where everything lies on a disk: from `disk` of the conf and what the parts hold to a GPT. Pure.
//
// Partitions are found by their names (PARTLABEL) and never by a device's, which differ between QEMU and hardware. The types are
// those of the UEFI specification and of the Discoverable Partitions Specification; the data partition has one of its own, so that
// systemd-repart, which goes by type, takes no other one for it.
import { createHash } from "node:crypto";
import type { Disk } from "../api.ts";
import { UserError } from "../errors.ts";

export const MiB = 1 << 20;
export const sectorSize = 512;

export type PartitionName = "esp" | "root-a" | "root-b" | "persist" | "log" | "data";

export interface Partition {
  /** PARTLABEL, and the label of its file system. */
  readonly name: string;
  /** `boot`: FAT with the boot loader, `files`: FAT that any machine can read, `root`: ext4 with the image, `nothing`: an empty ext4. */
  readonly holds: "boot" | "files" | "root" | "nothing";
  readonly type: string;
  readonly uuid: string;
  /** Bytes from the beginning of the disk, a multiple of 1 MiB. */
  readonly start: number;
  /** A multiple of 1 MiB. */
  readonly bytes: number;
  /** Grows to the end of the disk when the device starts. */
  readonly grows: boolean;
}

export interface Layout {
  readonly id: string;
  readonly partitions: readonly Partition[];
  /** Bytes of the whole disk. */
  readonly bytes: number;
}

/** GUIDs of partition types. */
export const types: Readonly<Record<PartitionName, string>> = {
  esp: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  "root-a": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  "root-b": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  persist: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  log: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  data: "0d7a1c2e-6f35-4c1b-9d0e-5b6f2f7a9e41",
};

/** What a part needs at least, in bytes, with all that the file system itself takes. */
export type Needs = Readonly<Record<"esp" | "root" | "data", number>>;

const defaults = { esp: "fit+160M", root: "fit+256M", persist: "32M", log: "128M" } as const;

/** `seed` says which image this is: the same one has the same ids. Throws where a part does not fit into the size that the conf gives it. */
export function layOut(disk: Disk, needs: Needs, seed: string): Layout {
  const parts = partsOf(disk, needs);
  let start = MiB;
  const partitions = parts.map(({ name, bytes, grows }): Partition => {
    const at = start;
    start += bytes;
    const holds = name === "esp" ? "boot" : name === "root-a" ? "root" : "nothing";
    return { name, holds, type: types[name], uuid: uuidFrom(`${seed} ${name}`), start: at, bytes, grows };
  });
  // The last MiB is for the second copy of the table.
  return { id: uuidFrom(`${seed} disk`), partitions, bytes: start + MiB };
}

interface Part {
  readonly name: PartitionName;
  readonly bytes: number;
  readonly grows: boolean;
}

function partsOf(disk: Disk, needs: Needs): Part[] {
  const { root, data } = disk;
  const fixed = (name: PartitionName, size: string, need: number, key: string): Part => ({ name, bytes: sized(size, need, key), grows: false });
  const grows = (size: string | undefined) => size === undefined || size === "rest";
  const slots = (root.slots ?? 1) === 2 ? (["root-a", "root-b"] as const) : (["root-a"] as const);
  const alone = !data && slots.length === 1 && !hasParts(disk);
  const rootSize = root.size === undefined || root.size === "rest" ? defaults.root : root.size;
  return [
    fixed("esp", disk.esp?.size ?? defaults.esp, needs.esp, "esp"),
    ...slots.map((name) => ({ ...fixed(name, rootSize, needs.root, "root"), grows: alone && grows(root.size) })),
    ...(hasParts(disk) ? [fixed("persist", (disk.persist || undefined)?.size ?? defaults.persist, 8 * MiB, "persist"), fixed("log", disk.log?.size ?? defaults.log, 16 * MiB, "log")] : []),
    ...(data ? [{ ...fixed("data", data.size === "rest" ? "fit" : data.size, needs.data, "data"), grows: grows(data.size) }] : []),
  ];
}

/** Whether what has to last lies on partitions of its own, because / does not last. */
export function hasParts(disk: Disk): boolean {
  return (disk.root.mode ?? "rw") !== "rw" && disk.persist !== false;
}

/** `4G`, `500M`, `fit`, `fit+200M` → bytes, rounded up to whole MiB. */
function sized(size: string, need: number, key: string): number {
  const [, fit, amount, unit] = /^(?:(fit)\+?)?(?:(\d+)([MG]))?$/.exec(size) ?? [];
  const given = amount === undefined ? 0 : Number(amount) * MiB * (unit === "G" ? 1024 : 1);
  const bytes = Math.ceil((fit ? need + given : given) / MiB) * MiB;
  if (bytes >= need) return bytes;
  throw new UserError("disk.too-small", `\`disk.${key}\` has ${size}, and what goes into it needs ${Math.ceil(need / MiB)}M`, { hint: `${key}: { size: "fit+200M" },` });
}

/** A UUID that says the same for the same text, of version 8 (RFC 9562: what is in it is our own affair). */
export function uuidFrom(text: string): string {
  const h = createHash("sha256").update(text).digest();
  h[6] = (h[6]! & 0x0f) | 0x80;
  h[8] = (h[8]! & 0x3f) | 0x80;
  const hex = h.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** What sfdisk(8) makes the table from. `grown`: for a disk that is there, to the end of which a partition that grows reaches at once. */
export function sfdiskScript(l: Layout, o: { grown?: boolean } = {}): string {
  const size = (p: Partition) => (o.grown && p.grows ? "" : `size=${p.bytes / sectorSize}, `);
  const lines = l.partitions.map((p) => `start=${p.start / sectorSize}, ${size(p)}type=${p.type}, uuid=${p.uuid}, name="${p.name}"`);
  return ["label: gpt", `label-id: ${l.id}`, "unit: sectors", `first-lba: ${MiB / sectorSize}`, ...lines, ""].join("\n");
}
