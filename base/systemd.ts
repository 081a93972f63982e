// The init system, tuned for a device that is switched off by pulling its plug and has flash memory for a disk.
import { defineOptions, installDeb, int, lines, oneOf, optional, run } from "debcast";

export const options = defineOptions({
  /** Seconds after which the hardware resets a machine that hangs; without it the watchdog stays off. */
  watchdog: optional(int({ min: 5, max: 600 })),
  /** Default `volatile`: the journal lives in RAM, so that it cannot wear out or fill the flash. */
  journal: optional(oneOf("volatile", "persistent")),
  /** How much room the journal may take. */
  journalMax: "32M",
});

installDeb("systemd", "systemd-sysv"); // -sysv: /sbin/init, reboot, poweroff
installDeb("libsystemd-shared", "libapparmor1");

run(({ write, disable, mask, symlink }) => {
  const storage = options.journal ?? "volatile";
  write("/etc/systemd/journald.conf.d/10-image.conf", lines`
    [Journal]
    Storage=${storage}
    RuntimeMaxUse=${options.journalMax}
    SystemMaxUse=${options.journalMax}
  `);
  // A service that does not stop must not hold up a restart for 90 s.
  write("/etc/systemd/system.conf.d/10-image.conf", lines`
    [Manager]
    DefaultTimeoutStopSec=15s
  `);
  if (options.watchdog !== undefined) {
    write("/etc/systemd/system.conf.d/20-watchdog.conf", lines`
      [Manager]
      RuntimeWatchdogSec=${options.watchdog}s
      RebootWatchdogSec=2min
    `);
  }
  // A device updates when it is told to, not at six in the morning; its dpkg database is that of the image.
  disable("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer");
  // Nobody at a machine's keyboard may restart it, and a device never sleeps.
  mask("ctrl-alt-del.target", "sleep.target", "suspend.target", "hibernate.target", "hybrid-sleep.target");
  symlink("/usr/lib/systemd/system/multi-user.target", "/etc/systemd/system/default.target");
});
