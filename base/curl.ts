// HTTP from scripts.
import { installDeb, need } from "debcast";

need("ca-certificates", "lib-core", "lib-common", "lib-krb5", "lib-curl");

installDeb("curl", "libcurl4t64");
