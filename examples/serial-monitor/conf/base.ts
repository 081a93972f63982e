// A machine that watches whatever is plugged into its USB ports and speaks over a serial line.
import { defineImage } from "debcast";

export default defineImage({
  suite: "trixie",
  arch: "amd64",
  components: ["main"],
  hostname: "monitor",
  scriptlets: ["host", "apt-sources", "kernel", "disk", "serial-console", "serial-monitor", "rm"],
  disk: { root: { mode: "rw" } },
  cmdline: ["console=tty0", "console=ttyS0,115200", "panic=10"],
});
