// What both libraries of curl bring along; the libraries themselves are with those who use them.
import { installDeb, need } from "debcast";

need("lib-core", "lib-common", "lib-crypto", "lib-krb5");

installDeb("libnghttp2-14", "libnghttp3-9"); // HTTP/2 and 3
installDeb("libpsl5t64"); // for whom a cookie is
installDeb("libldap2", "libsasl2-2", "libsasl2-modules-db", "librtmp1", "libssh2-1t64"); // protocols that nobody asked for
