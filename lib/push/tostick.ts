// Other files for a restore stick that a device has started from: they take the place of those on its partition RESTORE, over the net.
import { UserError, exitStatus } from "../errors.ts";
import type { Emit } from "../events.ts";
import type { Connection } from "./connection.ts";
import { rsync, sentBytes } from "./rsync.ts";

const program = "/usr/local/sbin/restore-receive";

/** Throws when no restore stick answers, before anything is made for it. */
export async function ensureStick({ run, device: { name } }: Connection): Promise<void> {
  const { status } = await run(`[ -x ${program} ]`);
  if (status === 0) return;
  throw new UserError("stick.no-stick", `\`${name}\` has not started from a restore stick`, { hint: `debcast push ${name}   # for a device that runs its image`, exit: exitStatus.device });
}

/** Sends all of `dir`, without its restore.conf if that of the stick is to stay; returns the bytes that went over the wire. */
export async function sendToStick(connection: Connection, o: { dir: string; keepsSettings: boolean; emit: Emit }): Promise<number> {
  const { name } = connection.device;
  const again = `until all of it is there the stick writes no disk; once more: debcast stick --to ${name}`;
  // It has the partition for as long as this session lasts (base/restore/restore-receive).
  const session = connection.session(`exec ${program}`);
  try {
    const [where] = await firstOf(session.lines);
    if (where === undefined) throw refused(name, (await session.ended).stderr.trim());
    const said = await rsync({ connection, emit: o.emit, again }, [
      // FAT has neither owners nor modes, and no room for the old tarball beside the new one.
      "--recursive", "--checksum", "--inplace", "--delete-before", "--omit-dir-times", ...(o.keepsSettings ? ["--exclude=/restore.conf"] : []),
      "--info=progress2", "--stats", `${o.dir}/`, `device:${where}/`,
    ], "");
    session.end();
    const { status, stderr } = await session.ended;
    if (status !== 0) throw new UserError("stick.receive", `the stick in \`${name}\` could not be written to its end`, { details: stderr.trim(), hint: again, exit: exitStatus.device });
    return sentBytes(said);
  } finally {
    session.end();
    await session.ended.catch(() => {});
  }
}

async function firstOf(lines: AsyncIterable<string>): Promise<[string?]> {
  for await (const line of lines) return [line];
  return [];
}

function refused(name: string, why: string): UserError {
  return new UserError("stick.refused", `the stick in \`${name}\` takes nothing: ${why.split("\n").at(-1)!}`, { hint: "its screen says what it does", exit: exitStatus.device });
}
