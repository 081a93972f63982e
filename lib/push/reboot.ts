// A restart of the device, and whether what comes up is what was pushed.
import { UserError, exitStatus } from "../errors.ts";
import { connect } from "./connection.ts";
import type { Device } from "./devices.ts";
import type { PushImage } from "./image.ts";
import { openRemote, type Hello, type Remote } from "./remote.ts";

/** Seconds until it has to be there again. */
const patience = 600;

/** Restarts it over a connection that ends by that; returns when it answers after another start. */
export async function reboot(device: Device, remote: Remote, image: PushImage): Promise<Hello> {
  const { boot } = remote.hello;
  const exit = exitStatus.device;
  // The answer may be lost with the connection.
  const asked = await Promise.race([remote.ask("sync; systemctl --no-block reboot").catch(() => undefined), pause(10_000)]);
  if (asked && asked.status !== 0) throw new UserError("push.reboot", `\`${device.name}\` cannot be restarted`, { details: asked.lines.join("\n"), exit });
  let last = "";
  for (const end = performance.now() + patience * 1000; performance.now() < end; await pause(1000)) {
    const hello = await look(device).catch((e: unknown) => void (last = e instanceof Error ? e.message : String(e)));
    if (hello && hello.boot !== boot) return checked(device, hello, image);
    if (hello) last = "it still runs as it did";
  }
  throw new UserError("push.reboot", `\`${device.name}\` did not come back within ${patience / 60} min`, { details: last, exit });
}

async function look(device: Device): Promise<Hello> {
  const connection = await connect(device);
  try {
    const remote = await openRemote(connection);
    await remote.close();
    return remote.hello;
  } finally {
    await connection.close();
  }
}

function checked(device: Device, hello: Hello, image: PushImage): Hello {
  if (hello.mark.image !== image.inventory.id) throw new UserError("push.reboot-other", `\`${device.name}\` came back as something else than what was pushed`, { details: hello.refused, hint: hello.refused === undefined ? undefined : "debcast disk   # a larger root, or less in it", exit: exitStatus.device });
  const { items } = image.inventory;
  const kernels = [...items.keys()].flatMap((p) => (p.startsWith("/boot/vmlinuz-") ? [p.slice("/boot/vmlinuz-".length)] : []));
  if (kernels.length > 0 && !kernels.includes(hello.kernel)) throw new UserError("push.reboot-kernel", `\`${device.name}\` runs the kernel ${hello.kernel}, which the image has not (it has ${kernels.join(", ")})`, { hint: `debcast ssh ${device.name} -- sudo boot-entries`, exit: exitStatus.device });
  return hello;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
