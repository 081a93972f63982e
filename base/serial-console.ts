// A login on a serial port, for devices without a display. The kernel's own messages go there by console= in the conf's cmdline.
// Accounts that log in by key alone are not let in here: they have no password.
import { conf, defineOptions, lines, need, run } from "debcast";

export const options = defineOptions({ tty: "ttyS0", speed: 115200 });

export const device = `/dev/${options.tty}`;

need("systemd");

const getty = `serial-getty@${options.tty}.service` as const;

run(({ write, enable }) => {
  write(`/etc/systemd/system/${getty}.d/10-speed.conf`, lines`
    # ${conf.name}: one speed, no guessing; a terminal that hangs up gets a new login.
    [Service]
    ExecStart=
    ExecStart=-/sbin/agetty --keep-baud ${options.speed} --noclear - $TERM
  `);
  enable(getty);
});
