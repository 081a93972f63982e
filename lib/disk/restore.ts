// What lies on the partition RESTORE of a stick: the tarball, and in plain text all that base/restore/ needs to make a disk of it: the same
// table, file systems and boot files as `debcast disk` makes. Pure but for the hashes of the files.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, relative } from "node:path";
import { UserError } from "../errors.ts";
import { formatBytes } from "../format.ts";
import type { BootFile } from "./boot.ts";
import { markFile, type DeviceValues, type Template } from "./devices.ts";
import { mke2fs, mkfsVfat } from "./filesystems.ts";
import { MiB, sfdiskScript, types, uuidFrom, type Layout, type Partition } from "./layout.ts";

export interface RestoreOptions {
  /** Name of the image. */
  readonly name: string;
  /** Its tree. */
  readonly image: string;
  /** SOURCE_DATE_EPOCH. */
  readonly epoch: number;
  /** Bytes that its files hold. */
  readonly content: number;
  readonly tarball: { readonly file: string; readonly bytes: number };
  /** File with the lines of `tree-manifest`. */
  readonly manifest: string;
  readonly layout: Layout;
  readonly seed: string;
  readonly boot: readonly BootFile[];
  readonly bootLoader: BootFile;
  readonly templates: readonly Template[];
  /** What every device says that it is. */
  readonly mark: string;
  readonly settings: Settings;
}

/** What `restore.conf` says from the start; it can be edited on the stick. */
export interface Settings {
  readonly disk?: string | undefined;
  readonly confirm: boolean;
  readonly values: DeviceValues;
}

/** FAT32 has no files of 4 GiB. */
const largest = 4 * 1024 * MiB - 1;

export async function restoreFiles(o: RestoreOptions): Promise<BootFile[]> {
  if (o.tarball.bytes > largest) {
    throw new UserError("stick.too-large", `the tarball of \`${o.name}\` has ${formatBytes(o.tarball.bytes)}, and the partition that any machine can read takes no file of 4 GiB`, { hint: "debcast size\nsays what makes the image big" });
  }
  const summed: BootFile[] = [
    { path: basename(o.tarball.file), content: { file: o.tarball.file } },
    { path: "manifest", content: { file: o.manifest } },
    { path: "layout", content: layoutText(o) },
    { ...o.bootLoader, path: `esp/${o.bootLoader.path}` },
    ...o.boot.filter((f) => typeof f.content === "string").map((f) => ({ ...f, path: `esp/${f.path}` })),
    ...putFiles(o).map(({ path, put }) => ({ path, content: put.content })),
  ];
  const sums = await Promise.all(summed.map(async (f) => `${await sha256(f)}  ${f.path}\n`));
  return [
    { path: "README.txt", content: readme(o) },
    { path: "restore.conf", content: restoreConf(o) },
    { path: "SHA256SUMS", content: sums.join("") },
    ...summed,
  ];
}

/** Files that are put into a root once it was verified; those of the key `-` into every one. */
function putFiles(o: Pick<RestoreOptions, "templates" | "mark">) {
  const mark = { key: "-", put: { path: markFile, content: o.mark, mode: 0o644 } };
  return [mark, ...o.templates.flatMap((t) => t.files.map((put) => ({ key: t.key, put })))].map((f, i) => ({ ...f, path: `values/${i}` }));
}

async function sha256(f: BootFile): Promise<string> {
  const hash = createHash("sha256");
  if (typeof f.content === "string") return hash.update(f.content).digest("hex");
  for await (const piece of createReadStream(f.content.file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

/** Lines `KEY VALUE…`; base/restore/parts/description reads them and says what each is. */
export function layoutText(o: Omit<RestoreOptions, "manifest" | "settings">): string {
  const entries = (f: BootFile) => f.path.startsWith("loader/entries/");
  const texts = o.boot.filter((f) => typeof f.content === "string");
  const numbered = o.layout.partitions.map((p, i) => ({ p, n: i + 1 }));
  return [
    "# What the restore program makes a disk of. Sizes are in bytes.",
    "format 1",
    `image ${o.name}`,
    `date ${new Date(o.epoch * 1000).toISOString().slice(0, 10)}`,
    `tarball ${basename(o.tarball.file)}`,
    `content ${o.content}`,
    `bytes ${o.layout.bytes}`,
    ...sfdiskScript(o.layout, { grown: true }).trimEnd().split("\n").map((line) => `table ${line}`),
    ...numbered.map(({ p, n }) => `part ${n} ${p.holds} ${p.name}`),
    ...numbered.map(({ p, n }) => `mkfs ${n} ${mkfs(p, o.seed).join(" ")}`),
    ...o.boot.flatMap((f) => (typeof f.content === "string" ? [] : [`copy ${f.path} ${relative(o.image, f.content.file)}`])),
    ...texts.filter((f) => !entries(f)).map((f) => `file ${f.path}`),
    ...texts.filter(entries).map((f) => `entry ${f.path}`),
    `loader ${o.bootLoader.path}`,
    ...o.templates.map((t) => `value ${t.key} ${t.like} ${t.match}`),
    ...putFiles(o).map(({ key, put, path }) => `put ${key} ${put.mode.toString(8)} ${path} ${put.path}`),
    "",
  ].join("\n");
}

/** Tables of inodes that are written when there is time: a disk of 2 TB has 32 GB of them. */
function mkfs(p: Partition, seed: string): string[] {
  return p.holds === "root" || p.holds === "nothing" ? mke2fs(p, seed, ["lazy_itable_init=1"]) : mkfsVfat(p, seed);
}

function readme(o: RestoreOptions): string {
  return `This stick puts the system \`${o.name}\` onto a device: it starts by itself (UEFI), shows what it does on the
screen and on the first serial port (115200 baud), and asks before it writes.

restore.conf          what is done without a question, and what one device has that another has not
${basename(o.tarball.file).padEnd(22)}the system; SHA256SUMS, manifest, layout, esp/ and values/ belong to it

Files of another system can be copied here in the place of all of these.
`;
}

function restoreConf({ settings: { disk, confirm, values }, templates }: RestoreOptions): string {
  const line = (key: string, like: string) => (values[key] === undefined ? `#${key} = ${like}` : `${key} = ${values[key]}`);
  return `# What the stick does without a question. Lines that begin with # say nothing.

# The disk that is written: ask, only (the only one beside the stick), serial:S3Z9NB0K, model:NAME, path:/dev/nvme0n1
disk = ${disk ?? "ask"}

# Whether somebody has to say yes. With \`no\`, and a disk named above, the device is written as soon as the stick starts.
confirm = ${confirm ? "yes" : "no"}

# When it is done: wait, poweroff, reboot. A device that starts from the stick first would begin again after \`reboot\`.
then = wait

# Whether devices are written that no [section] below is for, if there is any section.
others = no

# Values of every device:
${templates.map((t) => line(t.key, t.like)).join("\n")}

# Values of one device, known by the address of a network card, or by a serial number of its maker's (of the system, board or case):
#[mac 52:54:00:12:34:56]
#hostname = gw-017
#address = 192.0.2.17/24

#[board SN-0018]
#hostname = gw-018
`;
}

// ── The stick's own disk ───────────────────────────────────────────────────────────────────────────────────────────

/** Says on the kernel's command line which partition the stick starts from; no device has one of this name. */
export const stickRoot = "stick-root";

const basicData = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";

/**
 * `own` is the disk of the stick's image. RESTORE is the first partition, since not every system shows more than one of a stick, and has
 * room for a larger tarball. No name is one that devices have: their disks are there when the stick starts.
 */
export function stickLayout(own: Layout, bytes: number, seed: string): Layout {
  const size = Math.max(160, Math.ceil((bytes * 1.25) / MiB) + 64) * MiB;
  const files: Partition = { name: "RESTORE", holds: "files", type: basicData, uuid: uuidFrom(`${seed} RESTORE`), start: MiB, bytes: size, grows: false };
  const others = own.partitions.map((p): Partition => {
    const name = p.holds === "root" ? stickRoot : `stick-${p.name}`;
    return { ...p, name, type: p.holds === "boot" ? types.esp : types.log, uuid: uuidFrom(`${seed} ${name}`), start: p.start + size, grows: false };
  });
  return { id: uuidFrom(`${seed} stick`), partitions: [files, ...others], bytes: own.bytes + size };
}
