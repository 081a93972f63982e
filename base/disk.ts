// How the system starts from a disk, what of it lasts, and what grows: `disk` of the conf says so, and `debcast disk` makes one.
import { conf, installDeb, lines, need, run, runLast } from "debcast";

need("initramfs", "e2fsprogs", "udev");

installDeb("systemd-repart", "libfdisk1"); // the last partition grows to the end of the disk

const disk = conf.disk ?? { root: {} };
const mode = disk.root.mode ?? "rw";
const lasts = mode === "rw";
const hasParts = !lasts && disk.persist !== false;
const { data } = disk;
const grows = data ? data.size === "rest" : lasts && (disk.root.slots ?? 1) === 1 && (disk.root.size ?? "rest") === "rest";

/** Of our own, so that systemd-repart takes no other partition for it. */
const dataType = "0d7a1c2e-6f35-4c1b-9d0e-5b6f2f7a9e41";

run(({ write, copy, mkdir, mask, planned }) => {
  // Partitions go by their names (PARTLABEL): a device's names differ between a bench and a machine.
  write("/etc/fstab", [
    ...(lasts ? [`PARTLABEL=root-a / ext4 noatime${grows && !data ? ",x-systemd.growfs" : ""} 0 1`] : []),
    // Not before it was looked at, and before anything logs.
    ...(hasParts ? ["PARTLABEL=log /var/log ext4 noatime,nofail,x-systemd.requires=var-log-check.service,x-systemd.before=local-fs.target 0 0"] : []),
    ...(data ? [`PARTLABEL=data ${data.mount} ext4 noatime,nofail,x-systemd.device-timeout=15s${grows ? ",x-systemd.growfs" : ""} 0 2`] : []),
  ].map((line) => `${line}\n`).join(""));
  if (data) mkdir(data.mount);
  if (grows) write("/etc/repart.d/50-last.conf", `[Partition]\nType=${data ? dataType : "root"}\n`);
  else mask("systemd-repart.service");

  // What systemd does when it finds another /usr than the last time (ldconfig, catalog, hwdb) was done when the image was built.
  for (const file of ["/etc/.updated", "/var/.updated"] as const) write(file, "");

  if (lasts) {
    // Entries of the boot loader follow the kernels that apt brings and takes away.
    copy("boot-entries", "/usr/local/sbin/", { mode: 0o755 });
    write("/etc/kernel/boot-options", `root=PARTLABEL=root-a rw ${(conf.cmdline ?? []).filter((w) => w !== "rw" && w !== "ro" && !w.startsWith("root=")).join(" ")}\n`);
    for (const hook of ["/etc/kernel/postinst.d/zz-boot-entries", "/etc/kernel/postrm.d/zz-boot-entries", "/etc/initramfs/post-update.d/zz-boot-entries"] as const) {
      copy("hook", hook, { mode: 0o755 });
    }
    return;
  }

  copy("root-mode", "/etc/initramfs-tools/scripts/local-bottom/", { mode: 0o755 });
  write("/etc/initramfs-tools/conf.d/root-mode", `ROOT_MODE=${mode}\nROOT_RAM=${disk.root.ram ?? "50%"}\n`);
  write("/usr/share/initramfs-tools/modules.d/root-mode", "overlay\next4\n");
  if (!hasParts) return;
  copy("persist", "/usr/local/sbin/", { mode: 0o755 });
  mkdir("/persist", { mode: 0o755 });
  copy("var-log-check", "/usr/local/sbin/", { mode: 0o755 });
  copy("var-log-check.service", "/etc/systemd/system/");
  if (planned("ssh")) {
    write("/etc/systemd/system/sshd-keygen.service.d/persist.conf", lines`
      # A device keeps the host keys that it made.
      [Service]
      ExecStartPost=/bin/sh -c 'exec persist save /etc/ssh/ssh_host_*'
    `);
  }
});

// The partition of /var/log is empty at first, and after it was made anew: services find their directories all the same. Those of the
// journal are systemd's own affair.
if (hasParts) {
  runLast(({ inImage }) => {
    inImage`find /var/log -mindepth 1 -path /var/log/journal -prune -o -path /var/log/private -prune -o -type d -printf ${'d "%p" %#m %U %G\\n'} | LC_ALL=C sort > /etc/tmpfiles.d/var-log.conf`;
  });
}
