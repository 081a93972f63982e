// A disk as a file, made without root and without loop devices: the table by sfdisk, each file system by mke2fs or mkfs.vfat right
// at its place in the sparse file. All of them are the locked tools tree's, and all that they would draw by chance is given, so
// the same lock gives the same bytes.
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { inTools, type Sandbox } from "../sandbox.ts";
import { quote } from "../sandbox/script.ts";
import type { BootFile } from "./boot.ts";
import { MiB, sectorSize, sfdiskScript, uuidFrom, type Layout, type Partition } from "./layout.ts";

export interface MakeOptions {
  readonly image: string;
  /** The disk's file; what was there before stays until this one is whole. */
  readonly file: string;
  readonly layout: Layout;
  readonly boot: readonly BootFile[];
  readonly sandbox: Sandbox;
  /** Directory for what is needed on the way; it is made, and removed. */
  readonly work: string;
  readonly seed: string;
}

/** Where Debian's systemd-boot-efi has it. */
const bootLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/** Makes the file under another name; `finish` gets it before it takes its place. */
export async function makeDisk(o: MakeOptions, finish: (part: string) => Promise<void>): Promise<void> {
  const part = `${o.file}.part`;
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

/** What goes onto the EFI system partition, the table, and what is done with them, as files. */
function stage(o: MakeOptions, disk: string): void {
  rmSync(o.work, { recursive: true, force: true });
  for (const f of o.boot) {
    const to = join(o.work, "esp", f.path);
    mkdirSync(dirname(to), { recursive: true });
    if (typeof f.content === "string") writeFileSync(to, f.content);
    else copyFileSync(f.content.file, to);
  }
  writeFileSync(join(o.work, "table"), sfdiskScript(o.layout));
  // Else it complains that it knows no ext4.
  writeFileSync(join(o.work, "mke2fs.conf"), "[defaults]\n\tfs_type = ext4\n[fs_types]\n\text4 = {\n\t\tfeatures = has_journal\n\t}\n");
  writeFileSync(join(o.work, "make"), script(o, disk));
}

function script(o: MakeOptions, disk: string): string {
  const f = quote(disk);
  const others = o.layout.partitions.filter((p) => p.name !== "root-a");
  const root = o.layout.partitions.find((p) => p.name === "root-a")!;
  return `
truncate -s ${o.layout.bytes} ${f}
sfdisk --quiet --no-reread --no-tell-kernel ${f} < /in/table
{
${ext4(o, root, f, "-d /image")}
${forgetReads(`${disk}?offset=${root.start}`, o.sandbox.epoch)}
} &
root=$!
${others.map((p) => (p.name === "esp" ? esp(o, p, f) : ext4(o, p, f, ""))).join("\n")}
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

/** Of features, sizes and seeds nothing is left to the program or its configuration. */
function ext4(o: MakeOptions, p: Partition, f: string, from: string): string {
  const features = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
  const uuid = uuidFrom(`${o.seed} ${p.name} file system`);
  const extended = [`offset=${p.start}`, `hash_seed=${uuid}`, "lazy_itable_init=0", "lazy_journal_init=0", "nodiscard", "root_owner=0:0"].join(",");
  const journal = p.bytes >= 512 * MiB ? 16 : 4;
  return `MKE2FS_CONFIG=/in/mke2fs.conf mke2fs -q -F -t ext4 -b 4096 -I 256 -i 16384 -m ${from === "" ? 0 : 1} -J size=${journal} -O ${features} -U ${uuid} -L ${p.name} -E ${extended} ${from} ${f} ${p.bytes / 4096}`;
}

/** FAT32 with clusters of 2 KiB: small enough for 160 MB of them to be FAT32 at all, large enough for a short table. */
function esp(o: MakeOptions, p: Partition, f: string): string {
  const id = uuidFrom(`${o.seed} esp`).slice(0, 8);
  const at = `${f}@@${p.start}`;
  const dirs = new Set(["EFI", "EFI/BOOT", ...o.boot.flatMap(({ path }) => parents(path))]);
  return [
    `mkfs.vfat --offset ${p.start / sectorSize} -F 32 -s 4 -S ${sectorSize} -n ESP -i ${id} ${f} ${p.bytes / 1024} > /tmp/mkfs.vfat 2>&1 || { cat /tmp/mkfs.vfat >&2; exit 1; }`,
    "export MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null",
    `mmd -i ${at} ${[...dirs].sort().map((d) => quote(`::${d}`)).join(" ")}`,
    `mcopy -i ${at} ${bootLoader} ::EFI/BOOT/BOOTX64.EFI`,
    ...o.boot.map(({ path }) => `mcopy -i ${at} ${quote(`/in/esp/${path}`)} ${quote(`::${path}`)}`),
  ].join("\n");
}

function parents(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
