// A small bootable gateway: kernel, network by DHCP, ssh. Start your own from it: `debcast init DIR`.
import { defineImage } from "debcast";
import dlog from "./keys/dlog.pub";

export default defineImage({
  suite: "trixie",
  arch: "amd64",
  components: ["main", "non-free-firmware"], // the latter for the processors' microcode

  hostname: "gateway",
  locale: "C.UTF-8",
  timezone: "Etc/UTC",

  scriptlets: [
    "host", "locale", "timezone", "apt-sources",
    "kernel", "microcode", "disk", "sysctl",
    "network", "timesync", "nftables", "ssh", "ca-certificates",
    "sudo", "tool-rsync", "tool-net", "tool-shell",
    "serial-console",
    "rm",
  ],
  options: {
    ssh: { allow: ["dlog"] },
    systemd: { watchdog: 30 },
  },

  // Key-only: put your public key into conf/keys/dlog.pub. No password opens the account.
  users: [
    {
      name: "dlog",
      uid: 1000,
      groups: ["sudo", "dialout", "systemd-journal"],
      shell: "/bin/bash",
      password: "locked",
      sshKeys: dlog.split("\n").filter((line) => /^[^#\s]/.test(line)),
    },
  ],

  // The whole disk is one ordinary Debian; `overlay` and `tmpfs` keep what is written in RAM.
  disk: { root: { mode: "rw" } },
  listens: ["tcp:22"],

  // The last console= is where init writes. After a panic: restart.
  cmdline: ["console=tty0", "console=ttyS0,115200", "panic=10"],
});
