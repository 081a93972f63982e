// Serial ports from Python: field buses, scales, modems.
import { installDeb, need } from "debcast";

need("python");

installDeb("python3-serial");
