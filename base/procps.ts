// ps, top, free, pkill, sysctl.
import { installDeb, need } from "debcast";

need("lib-core");

installDeb("procps", "libproc2-0");
