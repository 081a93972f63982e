// What a restore stick starts: as little as it takes to put an image onto a disk. `debcast stick` builds it when it has to; a project
// that has a conf/stick.ts of its own takes that one.
import { defineImage } from "debcast";

export default defineImage({
  suite: "trixie",
  arch: "amd64",
  hostname: "restore",

  scriptlets: ["host", "kernel", "restore", "rm"],

  // Nothing is ever written to the stick.
  disk: { root: { mode: "overlay", size: "fit" }, persist: false },

  // The last console= is where init writes. What is said on both is the restore program's alone.
  cmdline: ["console=tty0", "console=ttyS0,115200", "quiet", "loglevel=3", "systemd.show_status=no", "systemd.gpt_auto=no"],

  // Drivers that have no part in writing a disk: the screen is the firmware's, the network is not used but for the cards' addresses.
  excludes: [
    "/usr/lib/modules/*/kernel/sound/**", "/usr/lib/modules/*/kernel/drivers/{gpu,media,infiniband,isdn,staging,iio,comedi}/**",
    "/usr/lib/modules/*/kernel/drivers/net/{wireless,wwan,can,hamradio}/**", "/usr/lib/modules/*/kernel/net/{bluetooth,mac80211,wireless}/**",
    "/usr/lib/modules/*/kernel/drivers/bluetooth/**",
  ],
});
