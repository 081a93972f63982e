// ip, ss and tc.
import { installDeb, need } from "debcast";

need("lib-core", "lib-krb5");

installDeb("iproute2", "libbpf1", "libcap2-bin", "libtirpc3t64", "libtirpc-common");
