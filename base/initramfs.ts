// What the kernel starts first: finds / and mounts it. Built once, after the run() of all scriptlets.
import { installDeb, need, run } from "debcast";

need("udev", "e2fsprogs"); // e2fsprogs: logsave, and fsck of the root file system

installDeb("initramfs-tools", "initramfs-tools-core", "initramfs-tools-bin", "dracut-install", "linux-base");
installDeb("cpio", "klibc-utils", "libklibc");
installDeb("zstd"); // unpacks several times as fast as gzip, which is what initramfs-tools falls back to without it

run(({ write }) => {
  // No swap, no hibernation: do not wait for a partition to resume from. Modules and firmware are compressed already: level 3
  // instead of 9 makes the initramfs 2 % larger, and takes a second less here and several on a device whose kernel is upgraded.
  write("/etc/initramfs-tools/conf.d/image", "RESUME=none\nCOMPRESSLEVEL=3\n");
});
