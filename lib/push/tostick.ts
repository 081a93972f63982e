// Other files for a restore stick that a device has started from: they take the place of those on its partition RESTORE, over the net.
import { UserError, exitStatus } from "../errors.ts";
import type { Emit } from "../events.ts";
import { formatBytes } from "../format.ts";
import { walk } from "../rootfs/tree.ts";
import type { Connection } from "./connection.ts";
import { rsync, sentBytes } from "./rsync.ts";

export interface StickFiles {
  readonly dir: string;
  /** The stick's own restore.conf stays. */
  readonly keepsSettings: boolean;
  readonly emit: Emit;
  /** The command that does all of it once more. */
  readonly again: string;
}

const program = "/usr/local/sbin/restore-receive";

/** The stick hears from us this often; it takes its partition back after a minute of silence. */
const beatMs = 15_000;

/** Throws when no restore stick answers, before anything is made for it. */
export async function ensureStick({ run, device: { name } }: Connection): Promise<void> {
  const { status } = await run(`[ -x ${program} ]`);
  if (status === 0) return;
  throw new UserError("stick.no-stick", `\`${name}\` has not started from a restore stick that takes files over the net`, { hint: `debcast push ${name}   # for a device that runs its image`, exit: exitStatus.device });
}

/** Sends all of `dir`; returns the bytes that went over the wire. */
export async function sendToStick(connection: Connection, o: StickFiles): Promise<number> {
  const { name } = connection.device;
  const exit = exitStatus.device;
  const again = `until all of it is there the stick writes no disk; once more: ${o.again}`;
  // It has the partition for as long as this session lasts (base/restore/restore-receive).
  const session = connection.session(`exec ${program}`);
  const beat = setInterval(() => session.write(""), beatMs);
  try {
    const [room, where] = await firstLines(session.lines, 2);
    if (room === undefined || where === undefined) throw refused(name, (await session.ended).stderr.trim());
    const [blocks = 0, size = 0] = room.split(" ").map(Number);
    const needed = bytesOnFat(o.dir, size);
    if (needed > blocks * size) throw new UserError("stick.room", `the partition RESTORE of the stick in \`${name}\` has ${formatBytes(blocks * size)}, and this needs ${formatBytes(needed)}; nothing was changed`, { hint: "debcast stick   # makes one that is large enough", exit });
    const said = await rsync({ connection, emit: o.emit, again }, [
      // FAT has neither owners nor modes, and perhaps no room for the old tarball beside the new one. A slow stick is silent while it is read.
      "--recursive", "--checksum", "--inplace", "--delete-before", "--omit-dir-times", "--timeout=600", ...(o.keepsSettings ? ["--exclude=/restore.conf"] : []),
      "--info=progress2", "--stats", `${o.dir}/`, `device:${where}/`,
    ], "");
    session.end();
    const { status, stderr } = await session.ended;
    if (status !== 0) throw new UserError("stick.receive", `the stick in \`${name}\` could not be written to its end`, { details: stderr.trim(), hint: again, exit });
    return sentBytes(said);
  } finally {
    clearInterval(beat);
    session.end();
    await session.ended.catch(() => {});
  }
}

async function firstLines(lines: AsyncIterable<string>, n: number): Promise<string[]> {
  const first: string[] = [];
  for await (const line of lines) if (first.push(line) === n) break;
  return first;
}

/** What files and directories take there: whole clusters each. */
function bytesOnFat(dir: string, cluster: number): number {
  let bytes = 0;
  walk(dir, (_, { size }) => void (bytes += Math.max(1, Math.ceil(size / cluster)) * cluster));
  return bytes;
}

function refused(name: string, why: string): UserError {
  const [first = "it says nothing", ...more] = why.split("\n");
  return new UserError("stick.refused", `the stick in \`${name}\` takes nothing: ${first}`, { details: more.join("\n"), hint: "its screen says what it does", exit: exitStatus.device });
}
