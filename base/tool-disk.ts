// Partitions and FAT: a USB stick on site, and a data partition that grows.
import { installDeb, need } from "debcast";

need("e2fsprogs", "lib-common");

installDeb("parted", "libparted2t64", "libdevmapper1.02.1", "dmsetup", "dmidecode");
installDeb("dosfstools");
