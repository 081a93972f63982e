// A disk as a file, made without root and without loop devices: the table by sfdisk, each file system by mke2fs or mkfs.vfat right
// at its place in the sparse file. All of them are the locked tools tree's, and all that they would draw by chance is given, so
// the same lock gives the same bytes.
import { copyFileSync, constants, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { inTools, type Sandbox } from "../sandbox.ts";
import { quote } from "../sandbox/script.ts";
import { bootLoader, type BootFile } from "./boot.ts";
import { mke2fs, mkfsVfat } from "./filesystems.ts";
import { sectorSize, sfdiskScript, type Layout, type Partition } from "./layout.ts";
import { partOf } from "./own.ts";

export interface MakeOptions {
  readonly image: string;
  /** The disk's file; what was there before stays until this one is whole. */
  readonly file: string;
  readonly layout: Layout;
  /** Of the partition that the firmware starts from, the boot loader itself left out. */
  readonly boot: readonly BootFile[];
  /** Of the partition that any machine can read, if there is one. */
  readonly files?: readonly BootFile[];
  readonly sandbox: Sandbox;
  /** Directory for what is needed on the way; it is made, and removed. */
  readonly work: string;
  readonly seed: string;
}

/** Makes the file under another name; `finish` gets it before it takes its place. */
export async function makeDisk(o: MakeOptions, finish: (part: string) => Promise<void>): Promise<void> {
  const part = partOf(o.file);
  mkdirSync(dirname(o.file), { recursive: true });
  rmSync(part, { force: true });
  try {
    stage(o, join("/out", basename(part)));
    await inTools(o.sandbox, {
      argv: ["sh", "-eu", "/in/make"],
      binds: [{ from: o.image, to: "/image", ro: true }, { from: o.work, to: "/in", ro: true }, { from: dirname(o.file), to: "/out" }],
      what: "could not make the disk",
    });
    await finish(part);
    renameSync(part, o.file);
  } catch (e) {
    rmSync(part, { force: true });
    throw e;
  } finally {
    rmSync(o.work, { recursive: true, force: true });
  }
}

/** What goes onto partitions with FAT, the table, and what is done with them, as files. */
function stage(o: MakeOptions, disk: string): void {
  rmSync(o.work, { recursive: true, force: true });
  for (const p of o.layout.partitions) placeFiles(join(o.work, p.name), filesOf(o, p));
  writeFileSync(join(o.work, "table"), sfdiskScript(o.layout));
  // Else it complains that it knows no ext4.
  writeFileSync(join(o.work, "mke2fs.conf"), "[defaults]\n\tfs_type = ext4\n[fs_types]\n\text4 = {\n\t\tfeatures = has_journal\n\t}\n");
  writeFileSync(join(o.work, "make"), script(o, disk));
}

/** Writes them below the directory `to`, which is made if there are any. */
export function placeFiles(to: string, files: readonly BootFile[]): void {
  for (const { path, content } of files) {
    const at = join(to, path);
    mkdirSync(dirname(at), { recursive: true });
    if (typeof content === "string") writeFileSync(at, content);
    else copyFileSync(content.file, at, constants.COPYFILE_FICLONE);
  }
}

function filesOf(o: MakeOptions, p: Partition): readonly BootFile[] {
  if (p.holds === "boot") return [bootLoader(o.sandbox), ...o.boot];
  return p.holds === "files" ? (o.files ?? []) : [];
}

function script(o: MakeOptions, disk: string): string {
  const f = quote(disk);
  const others = o.layout.partitions.filter((p) => p.holds !== "root");
  const root = o.layout.partitions.find((p) => p.holds === "root")!;
  return `
truncate -s ${o.layout.bytes} ${f}
sfdisk --quiet --no-reread --no-tell-kernel ${f} < /in/table
{
${ext4(o, root, f, "-d /image")}
${forgetReads(`${disk}?offset=${root.start}`, o.sandbox.epoch)}
} &
root=$!
${others.map((p) => (p.holds === "nothing" ? ext4(o, p, f, "") : fat(o, p, f))).join("\n")}
wait $root`;
}

/**
 * mke2fs takes over when somebody last looked at a file, which is nobody's business and differs each time. All inodes in use come one
 * after the other, for nothing was ever removed.
 */
function forgetReads(fs: string, epoch: number): string {
  const count = (of: string) => `$(debugfs -R 'stats -h' ${quote(fs)} 2> /dev/null | sed -n 's/^${of}: *//p')`;
  return `used=$((${count("Inode count")} - ${count("Free inodes")}))
{ echo "sif <2> atime @${epoch}"; seq 11 $used | sed 's/.*/sif <&> atime @${epoch}/'; } > /tmp/atimes
debugfs -w -f /tmp/atimes ${quote(fs)} > /dev/null 2>&1`;
}

function ext4(o: MakeOptions, p: Partition, f: string, from: string): string {
  const words = mke2fs(p, o.seed, [`offset=${p.start}`, "lazy_itable_init=0", "nodiscard"]);
  return `MKE2FS_CONFIG=/in/mke2fs.conf ${words.join(" ")} ${from} ${f} ${p.bytes / 4096}`;
}

function fat(o: MakeOptions, p: Partition, f: string): string {
  const files = filesOf(o, p);
  const at = `${f}@@${p.start}`;
  const dirs = new Set(files.flatMap(({ path }) => parents(path)));
  return [
    `${mkfsVfat(p, o.seed).join(" ")} --offset ${p.start / sectorSize} ${f} ${p.bytes / 1024} > /tmp/mkfs.vfat 2>&1 || { cat /tmp/mkfs.vfat >&2; exit 1; }`,
    "export MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null",
    ...(dirs.size > 0 ? [`mmd -i ${at} ${[...dirs].sort().map((d) => quote(`::${d}`)).join(" ")}`] : []),
    ...files.map(({ path }) => `mcopy -i ${at} ${quote(`/in/${p.name}/${path}`)} ${quote(`::${path}`)}`),
  ].join("\n");
}

function parents(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
