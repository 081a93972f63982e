// Keeps configuration files that packages generate (ssh, chrony) from being overwritten by an update.
import { installDeb, need } from "debcast";

need("procps", "lib-perl");

installDeb("ucf", "sensible-utils");
