// Root for members of the group `sudo` (users[].groups in the conf).
import { defineOptions, installDeb, need, run } from "debcast";

export const options = defineOptions({
  /** Whether sudo asks for the user's password. Users who log in by key alone have none. */
  askPassword: false,
});

need("systemd"); // libapparmor1

installDeb("sudo");

run(({ write }) => {
  if (!options.askPassword) write("/etc/sudoers.d/10-image", "%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n", { mode: 0o440 });
});
