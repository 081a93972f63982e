// Perl modules of maintainer scripts: debconf and ucf wrap their questions with them.
import { installDeb } from "debcast";

installDeb("libtext-wrapi18n-perl", "libtext-charwidth-perl");
