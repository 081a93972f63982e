// Imlib2, with which openbox draws icons. It reads PostScript too, which is why half of a printing system comes along.
import { installDeb, need } from "debcast";

need("dbus", "lib-core", "lib-crypto", "lib-krb5", "lib-glib", "lib-xml", "lib-x11", "lib-font", "lib-image", "lib-pango");

installDeb("libimlib2t64", "libid3tag0");
installDeb("librsvg2-2", "libgdk-pixbuf-2.0-0", "libgdk-pixbuf2.0-common", "shared-mime-info"); // SVG
installDeb("libspectre1", "libgs10", "libgs10-common", "libgs-common"); // PostScript
installDeb("fonts-urw-base35", "poppler-data", "libidn12", "libijs-0.35", "libjbig2dec0", "libpaper2");
installDeb("libcups2t64", "libavahi-client3", "libavahi-common3", "libavahi-common-data"); // printers
