// ext4: fsck at boot, mkfs and resize for the data partition.
import { after, installDeb, need, run } from "debcast";

need("lib-core");
after("systemd");

installDeb("e2fsprogs", "libext2fs2t64", "libss2", "logsave");

run(({ planned, disable }) => {
  // e2scrub checks snapshots of LVM volumes; a device has none.
  if (planned("systemd")) disable("e2scrub_all.timer", "e2scrub_reap.service");
});
