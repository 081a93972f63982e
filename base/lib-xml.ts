// libxml2: LLVM, MIME types, openbox's configuration.
import { installDeb } from "debcast";

installDeb("libxml2");
