// Whom TLS trusts.
import { installDeb } from "debcast";

installDeb("ca-certificates", "openssl"); // openssl: hashes the certificates' names
