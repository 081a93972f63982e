// What a restore stick shows, asks and does when it is started. `debcast stick` makes one of the image that has this.
import { installDeb, need, run } from "debcast";

need("systemd", "udev", "kernel", "disk", "lib-core", "lib-common");

installDeb("fdisk"); // sfdisk; wipefs and lsblk are in util-linux
installDeb("dosfstools");
installDeb("attr"); // capabilities and ACLs, to compare them

run(({ copy, enable, mask }) => {
  copy(["restore", "restore-receive", "tree-manifest"], "/usr/local/sbin/", { mode: 0o755 });
  copy(["parts/console", "parts/description", "parts/settings", "parts/disks", "parts/writing"], "/usr/local/lib/restore/");
  copy("restore.service", "/etc/systemd/system/");
  enable("restore.service");
  // The screen and the serial port are its own.
  mask("getty@tty1.service", "serial-getty@ttyS0.service");
});
