// Looking for a fault in a network: is there a link, does the other side answer?
import { installDeb, need } from "debcast";

need("iproute", "lib-core");

installDeb("iputils-ping", "ethtool");
