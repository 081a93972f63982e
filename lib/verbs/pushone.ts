// One device of a push, over a connection that was begun while the image was being built.
import { UserError, exitStatus } from "../errors.ts";
import { stage } from "../events.ts";
import { attach, type Connection, type Line } from "../push/connection.ts";
import type { Device } from "../push/devices.ts";
import type { PushImage } from "../push/image.ts";
import { pushTo, type PushResult } from "../push/push.ts";
import { reboot } from "../push/reboot.ts";
import { openRemote, type Remote } from "../push/remote.ts";
import type { Context } from "./verb.ts";

export interface Pushed extends PushResult {
  readonly dryRun: boolean;
  readonly rebooted: boolean;
}

/** Brings it up to the image. */
export async function pushOne(c: Pick<Context, "options" | "emit">, o: { device: Device; line: Line; image: Promise<PushImage> }): Promise<Pushed> {
  const start = performance.now();
  let connected: { connection: Connection; remote: Remote; at: number } | undefined;
  const connecting = (async () => {
    const connection = await attach(o.line);
    connected = { connection, remote: await openRemote(connection), at: performance.now() };
  })();
  connecting.catch(() => {});
  const image = await o.image;
  const built = performance.now();
  if (!connected) await stage(c.emit, "connect", () => connecting);
  const { connection, remote, at } = connected!;
  const dryRun = c.options["dry-run"] === true;
  const persist = c.options.persist === true;
  if (c.options.reboot === true && !persist && /^(overlay|tmpfs)$/.test(remote.hello.root.type)) throw new UserError("push.reboot-ram", `/ of \`${o.device.name}\` is in RAM: what is pushed into it would be gone after a restart`, { hint: `debcast push --persist --reboot ${o.device.name}   # puts it on its disk`, exit: exitStatus.usage });
  try {
    const r = await pushTo(connection, remote, image, { emit: c.emit, full: c.options.full === true, dryRun, persist, replace: c.options.replace === true });
    const result = { ...r, dryRun, rebooted: false, ms: { build: Math.round(built - start), connect: Math.round(at - start), ...r.ms } };
    if (c.options.reboot !== true || dryRun || r.reboot.length === 0) return result;
    const before = performance.now();
    await stage(c.emit, "reboot", () => reboot(o.device, remote, image), (hello) => `runs ${hello.kernel}`);
    return { ...result, rebooted: true, ms: { ...result.ms, reboot: Math.round(performance.now() - before) } };
  } finally {
    await remote.close();
  }
}
