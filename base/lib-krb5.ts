// Kerberos: linked by ssh, libtirpc and curl, used in company networks only.
import { installDeb, need } from "debcast";

need("lib-core");

installDeb("libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libkeyutils1");
