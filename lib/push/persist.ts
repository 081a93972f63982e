// A push to the disk of a device whose root is in RAM. What that root stands on must not change while it does, so what is sent waits on
// /persist, and the initramfs puts it into the disk's system before anything stands on it (base/disk/persist).
import { UserError, exitStatus } from "../errors.ts";
import { passesOf, roomFor } from "./delta.ts";
import { stillThat, type Work } from "./push.ts";
import { printfFormat, state, type Remote } from "./remote.ts";
import { checkRoom } from "./room.ts";
import { send } from "./rsync.ts";

/** Under another name until it is whole. */
const [staged, part] = ["/persist/push", "/persist/push.new"];

/** Returns the bytes that went over the wire. */
export async function stagePush({ rsync, remote, d: { shares, settings }, image, want, mark }: Work): Promise<number> {
  const { name } = rsync.connection.device;
  const exit = exitStatus.device;
  // The boot loader's partition has a kernel of its own, which would then lack its modules.
  if ([...shares.send, ...shares.gone].some((p) => p.startsWith("/boot/"))) throw new UserError("push.persist-kernel", "the kernel or the initramfs changed, which `--persist` cannot bring to a disk", { hint: "debcast disk", exit });
  if (!want.has("/usr/local/sbin/persist") || !remote.hello.mounts.includes("/persist")) throw new UserError("push.persist-none", `\`${name}\` has no /persist`, { hint: "debcast disk   # of a conf with `disk: { root: { mode: \"overlay\" } }`", exit });
  // Accounts are those of the image there: what was added to them in RAM does not last.
  const paths = [...shares.send, ...settings, ...shares.seeds, ...shares.accounts].sort();
  await remote.must(`mount -o remount,rw /persist && rm -rf ${part} && mkdir -p ${part}/tmp ${part}/tree${state}`, "/persist cannot be written to");
  try {
    checkRoom(`/persist of ${name}`, await freeIn(remote), roomFor(paths, want, { had: undefined, copied: true }));
    let bytes = 0;
    for (const pass of passesOf(paths, want)) bytes += await send(rsync, pass, { to: `${part}/tree/`, temporary: `${part}/tmp` });
    await stillThat(image, name);
    const gone = [...shares.gone].reverse().map((p) => `.${p}\0`).join("");
    await remote.must(`printf ${printfFormat(gone)} > ${part}/gone && printf ${printfFormat(mark)} > ${part}/tree${state}/mark && sync -f ${part} && rm -rf ${staged} ${staged}.refused ${part}/tmp && mv ${part} ${staged}`, "what was sent could not be put in its place on /persist");
    return bytes;
  } finally {
    await remote.ask("sync -f /persist; mount -o remount,ro /persist").catch(() => {});
  }
}

async function freeIn(remote: Remote): Promise<{ bytes: number; inodes: number }> {
  const [line = ""] = await remote.must("stat -f -c '%a %S %d' /persist", "/persist cannot be looked at");
  const [blocks = 0, size = 0, inodes = 0] = line.split(" ").map(Number);
  return { bytes: blocks * size, inodes: inodes || Infinity };
}
