// Window manager of few parts: an application in full screen, dialogs above it. `xinit openbox-session` starts it.
import { installDeb, need } from "debcast";

need("xorg", "python", "lib-x11", "lib-glib", "lib-xml", "lib-pango", "lib-imlib"); // python: its helper for menus

installDeb("openbox", "libobrender32v5", "libobt2v5", "libstartup-notification0");
