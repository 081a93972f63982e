// Local time. Servers and logs are best left at UTC; a device with a display shows its users their own time.
import { conf, run } from "debcast";

const zone = conf.timezone ?? "Etc/UTC";

run(async ({ exists, symlink }) => {
  const file = `/usr/share/zoneinfo/${zone}` as const;
  if (!(await exists(file))) throw new Error(`there is no timezone ${zone} in the image (old names such as US/Eastern are in the package tzdata-legacy)`);
  // tzdata keeps what this link says, also when it is updated on the device.
  symlink(file, "/etc/localtime");
});
