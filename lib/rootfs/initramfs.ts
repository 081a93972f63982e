// What an initramfs is made of, so that it can be remembered: hooks decide what goes into it, so the hooks must be known ones.
import { existsSync, readdirSync } from "node:fs";
import { resolveIn } from "./paths.ts";
import type { Reads } from "./reads.ts";

/** Hooks whose sources were read, and the packages of the programs and files that each takes. */
const hooks: Readonly<Record<string, readonly string[]>> = {
  amd64_microcode: ["amd64-microcode"],
  dmsetup: ["dmsetup"],
  fsck: ["e2fsprogs", "dosfstools", "btrfs-progs", "xfsprogs", "f2fs-tools", "util-linux", "logsave"],
  intel_microcode: ["intel-microcode", "iucode-tool"],
  keymap: ["console-setup", "console-setup-linux", "keyboard-configuration", "kbd"],
  "klibc-utils": ["klibc-utils"],
  kmod: ["kmod"],
  resume: [],
  thermal: [],
  udev: ["udev", "systemd"],
};

const makers = ["initramfs-tools", "initramfs-tools-core", "initramfs-tools-bin", "dracut-install", "linux-base", "cpio", "klibc-utils", "busybox", "zstd", "gzip", "xz-utils", "lz4", "libc-bin"];

/** Whatever of the tree the hooks and the program read that is no program or library of a package. */
const reads = [
  "/etc/initramfs-tools", "/usr/share/initramfs-tools", "/usr/lib/initramfs-tools", "/etc/modprobe.d", "/usr/lib/modprobe.d", "/etc/modules", "/etc/modules-load.d",
  "/usr/lib/modules-load.d", "/etc/fstab", "/etc/crypttab", "/etc/udev", "/usr/lib/udev", "/etc/systemd/network", "/usr/lib/systemd/network", "/etc/ld.so.conf",
  "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/kernel", "/etc/default", "/etc/console-setup", "/etc/alternatives/awk", "/etc/alternatives/nawk", "/etc/alternatives/which", "/etc/alternatives/lzma", "/etc/nsswitch.conf", "/etc/os-release", "/etc/localtime",
  "/etc/adjtime", "/etc/mdadm", "/etc/lvm", "/usr/lib/firmware", "/var/lib/dpkg/diversions",
];

/** Whether every hook that would run is known. */
export function hooksKnown(root: string): boolean {
  const dirs = ["/usr/share/initramfs-tools/hooks", "/etc/initramfs-tools/hooks", "/usr/share/initramfs-tools/conf-hooks.d"].map((d) => resolveIn(root, d));
  const names = dirs.flatMap((d) => (existsSync(d) ? readdirSync(d) : []));
  return names.every((name) => Object.hasOwn(hooks, name));
}

/**
 * Says all that goes into the initramfs of `kernel`. `changed` are paths that scriptlets changed, among them programs and
 * libraries perhaps; the packages say what the others are.
 */
export function initramfsReads(root: string, o: { kernel: string; changed: Iterable<string>; identity: (pkg: string) => string; digest: (root: string, o: Reads) => string; epoch: number }): string {
  const programs = [...o.changed].filter((p) => /^\/usr\/(bin|sbin|lib|lib32|lib64|libexec|local|share\/(consolefonts|keymaps|consoletrans))\//.test(p)).sort();
  const paths = [...reads, `/usr/lib/modules/${o.kernel}`, `/boot/config-${o.kernel}`, ...programs];
  const packages = [...makers, ...Object.values(hooks).flat()].map((name) => o.identity(name));
  return [o.digest(root, { paths, epoch: o.epoch }), ...new Set(packages)].join(" ");
}
