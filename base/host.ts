// Who this machine is: hostname and hosts.
import { conf, lines, run } from "debcast";

run(({ write, planned }) => {
  write("/etc/hostname", `${conf.hostname}\n`);
  // 127.0.1.1, as the Debian installer writes it: the name resolves before there is a network.
  write("/etc/hosts", lines`
    127.0.0.1 localhost
    127.0.1.1 ${conf.hostname}
    ::1 localhost ip6-localhost ip6-loopback
    ff02::1 ip6-allnodes
    ff02::2 ip6-allrouters
  `);
  // `disk` has file systems of its own to name.
  if (planned("disk")) return;
  write("/etc/fstab", lines`
    # / comes from root= on the kernel's command line (/etc/kernel/cmdline), /tmp is a tmpfs (tmp.mount).
    # Further file systems: LABEL=data /data ext4 defaults,noatime,nofail 0 2
  `);
});
