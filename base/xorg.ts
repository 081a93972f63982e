// A display: the X server with the drivers that every machine understands (modesetting is built in, fbdev for the rest).
import { before, defineOptions, installDeb, lines, need, run } from "debcast";

export const options = defineOptions({
  /** Keyboard layout, as in /usr/share/X11/xkb/rules/base.lst. */
  layout: "us",
});

need("udev", "dbus", "lib-core", "lib-common", "lib-glib", "lib-x11", "lib-font", "lib-mesa");

installDeb("xserver-xorg-core", "xserver-common", "libxcvt0", "libxfont2", "libunwind8");
installDeb("xserver-xorg-video-fbdev");
installDeb("xserver-xorg-input-libinput", "libinput10", "libinput-bin", "libevdev2", "libmtdev1t64");
installDeb("libwacom9", "libwacom-common", "libgudev-1.0-0"); // libinput knows pens by it
installDeb("keyboard-configuration", "xkb-data", "x11-xkb-utils", "liblocale-gettext-perl");
installDeb("xinit", "xauth");

before(({ write }) => {
  // keyboard-configuration takes its answers from this file and keeps them.
  write("/etc/default/keyboard", lines`
    XKBMODEL="pc105"
    XKBLAYOUT="${options.layout}"
    XKBVARIANT=""
    XKBOPTIONS=""

    BACKSPACE="guess"
  `);
});

run(({ write }) => {
  // The display of a machine is never switched off by itself.
  write("/etc/X11/xorg.conf.d/10-image.conf", lines`
    Section "ServerFlags"
      Option "BlankTime" "0"
      Option "StandbyTime" "0"
      Option "SuspendTime" "0"
      Option "OffTime" "0"
      Option "DontVTSwitch" "true"
      Option "DontZap" "true"
    EndSection
  `);
});
