// Tcl, for the test scripts of older devices.
import { installDeb } from "debcast";

installDeb("tcl", "tcl8.6", "libtcl8.6");
