// How the file systems of a disk are made, wherever it is made: in a file of this machine, or on a device by a restore stick.
import { MiB, sectorSize, uuidFrom, type Partition } from "./layout.ts";

/**
 * The words of mke2fs(8) before the device. Of features, sizes and seeds nothing is left to the program or its configuration; `extended`
 * are further words of -E.
 */
export function mke2fs(p: Partition, seed: string, extended: readonly string[]): string[] {
  const features = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
  const uuid = uuidFrom(`${seed} ${p.name} file system`);
  const journal = p.bytes >= 512 * MiB ? 16 : 4;
  return [
    "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", p.holds === "root" ? "1" : "0", "-J", `size=${journal}`,
    "-O", features, "-U", uuid, "-L", p.name, "-E", [...extended, `hash_seed=${uuid}`, "lazy_journal_init=0", "root_owner=0:0"].join(","),
  ];
}

/** The words of mkfs.vfat(8) before the device: FAT32, whose clusters are small enough for there to be the 65,525 that it has at least. */
export function mkfsVfat(p: Partition, seed: string): string[] {
  const clusters = p.bytes < 1024 * MiB ? 4 : p.bytes < 8192 * MiB ? 16 : 32;
  const id = uuidFrom(`${seed} ${p.name}`).slice(0, 8);
  return ["mkfs.vfat", "-F", "32", "-s", String(clusters), "-S", String(sectorSize), "-n", p.holds === "boot" ? "ESP" : p.name, "-i", id];
}
