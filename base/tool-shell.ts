// What one misses after logging in on the bench.
import { installDeb, need } from "debcast";

need("lib-core");

installDeb("less", "nano", "htop");
