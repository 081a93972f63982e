// The command line of SQLite; the library is in minbase.
import { installDeb, need } from "debcast";

need("lib-common");

installDeb("sqlite3");
