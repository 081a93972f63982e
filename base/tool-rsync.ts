// `debcast` on the bench and people in the field bring files with it. Its daemon is not enabled: rsync goes through ssh.
import { installDeb } from "debcast";

installDeb("rsync", "libpopt0");
