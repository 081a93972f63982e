// Fonts, and what finds and draws them.
import { installDeb, need } from "debcast";

need("lib-core", "lib-common", "lib-x11");

installDeb("libfreetype6", "libpng16-16t64");
installDeb("fontconfig", "fontconfig-config", "libfontconfig1");
installDeb("fonts-dejavu-core", "fonts-dejavu-mono"); // fontconfig wants one family; this one has nearly every script
installDeb("xfonts-utils", "xfonts-encodings", "libfontenc1"); // indexes of the X server's own fonts
