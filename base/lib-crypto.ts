// GnuTLS, for programs that may not link OpenSSL: chrony, NetworkManager, curl's second library.
import { installDeb, need } from "debcast";

need("lib-core", "lib-common");

installDeb("libgnutls30t64", "libp11-kit0", "libtasn1-6");
