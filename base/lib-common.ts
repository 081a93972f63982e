// Libraries that larger programs share; a small gateway does without.
import { installDeb } from "debcast";

installDeb("libbrotli1"); // curl, web fonts, JPEG XL
installDeb("libffi8"); // calls by description: glib, python, p11-kit, wayland, LLVM
installDeb("libreadline8t64", "readline-common"); // bluetoothctl, nmcli, sqlite3, parted, python
