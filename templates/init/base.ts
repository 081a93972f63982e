// Which Debian, which scriptlets, and what differs between one image and the next.
import { defineImage } from "debcast";

export default defineImage({
  suite: "trixie", // Debian 13
  arch: "amd64",
  components: ["main", "non-free-firmware"], // the latter for the processors' microcode

  hostname: "hello",

  // Each is a file base/NAME.ts, here or among those that come with debcast. What they need comes with them.
  scriptlets: ["host", "apt-sources", "kernel", "microcode", "disk", "network", "ssh", "push", "serial-console", "hello"],

  // What a scriptlet asks for with defineOptions().
  options: {
    hello: { greeting: "Welcome to an image of my own" },
    ssh: { allow: ["me"] },
  },

  // Without a password, only the keys open the account: put in the line of your ~/.ssh/id_ed25519.pub.
  users: [{ name: "me", groups: ["sudo"], sshKeys: [] }],

  // An ordinary Debian on the whole disk; `overlay` and `tmpfs` keep what is written in RAM.
  disk: { root: { mode: "rw" } },
  // What listens on the network, and nothing else does: `debcast boot-test` looks.
  listens: ["tcp:22"],

  // The last console= is where init writes. After a panic: restart.
  cmdline: ["console=tty0", "console=ttyS0,115200", "panic=10"],
});
