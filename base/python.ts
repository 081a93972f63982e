// Python, for the applications of the device.
import { installDeb, need } from "debcast";

need("lib-core", "lib-common");

installDeb("python3", "python3-minimal", "libpython3-stdlib"); // names the version of the suite
installDeb("python3.13", "python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib");
installDeb("media-types", "netbase"); // the standard library reads /etc/mime.types and /etc/services
