// Client side of X11.
import { installDeb } from "debcast";

installDeb("libx11-6", "libx11-data", "libx11-xcb1", "libxau6", "libxdmcp6", "x11-common");
installDeb("libxcb1", "libxcb-dri3-0", "libxcb-glx0", "libxcb-present0", "libxcb-randr0", "libxcb-render0");
installDeb("libxcb-shm0", "libxcb-sync1", "libxcb-util1", "libxcb-xfixes0");
installDeb("libxcursor1", "libxext6", "libxfixes3", "libxi6", "libxinerama1", "libxrandr2", "libxrender1");
installDeb("libxshmfence1", "libxxf86vm1"); // mesa
installDeb("libice6", "libsm6"); // sessions
installDeb("libxaw7", "libxkbfile1", "libxmu6", "libxmuu1", "libxpm4", "libxt6t64"); // xkbcomp, xauth
installDeb("libpixman-1-0"); // pixels in memory: the server, cairo
