// Text and drawing: pango and cairo.
import { installDeb, need } from "debcast";

need("lib-glib", "lib-x11", "lib-font");

installDeb("libcairo2", "libcairo-gobject2");
installDeb("libpango-1.0-0", "libpangocairo-1.0-0", "libpangoft2-1.0-0", "libpangoxft-1.0-0", "libxft2");
installDeb("libharfbuzz0b", "libgraphite2-3", "libfribidi0"); // shapes and directions of scripts
installDeb("libthai0", "libthai-data", "libdatrie1"); // where Thai words end
