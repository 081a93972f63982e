// Debian's kernel, its command line, and the modules that shall stay out.
import { conf, defineOptions, installDeb, listOf, need, optional, run, text } from "debcast";

export const options = defineOptions({
  /** Modules that are never loaded. Default: the PC speaker. */
  blacklist: optional(listOf(text({ match: /^[\w-]+$/ }))),
});

need("udev", "initramfs");

const flavour = conf.arch === "armhf" ? "armmp" : conf.arch;
installDeb(`linux-image-${flavour}`); // names the newest kernel of the suite
installDeb("linux-image-*"); // that kernel; the lock says which

run(({ write }) => {
  const blacklist = options.blacklist ?? ["pcspkr"];
  // `install … false` too, because `blacklist` alone lets another module pull it in. Settled into the initramfs later.
  write("/etc/modprobe.d/image-blacklist.conf", blacklist.map((m) => `blacklist ${m}\ninstall ${m} /bin/false\n`).join(""));
  // Read by kernel-install, systemd-boot's hook and whoever makes the disk.
  write("/etc/kernel/cmdline", `${(conf.cmdline ?? []).join(" ")}\n`);
});
