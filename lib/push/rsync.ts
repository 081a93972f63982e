// rsync, started so that it sees the image's owners, over the connection that is there. What it fails with becomes an error that says
// what to do.
import { UserError, exitStatus } from "../errors.ts";
import type { Emit } from "../events.ts";
import { asOwner } from "../namespace.ts";
import { anyStatus, lastLines, run, shellQuote } from "../run.ts";
import type { Connection } from "./connection.ts";
import type { Pass } from "./delta.ts";
import { temporary } from "./remote.ts";
import { fullDisk, resume } from "./room.ts";

export interface RsyncOptions {
  readonly connection: Connection;
  readonly emit: Emit;
  /** What to do when it breaks off (default: push again). */
  readonly again?: string;
}

export interface SendingOptions extends RsyncOptions {
  readonly image: string;
}

/** All that a file is, apart from when it was read. */
const attributes = ["--links", "--perms", "--times", "--omit-dir-times", "--group", "--owner", "--devices", "--specials", "--hard-links", "--acls", "--xattrs", "--numeric-ids"];

export interface SendOptions {
  /** false: only what is not there. */
  readonly existing?: boolean;
  /** Directory of the device that stands for / (default: / itself), and one beside it for what is not whole yet. */
  readonly to?: string;
  readonly temporary?: string;
}

/** Sends the paths of a pass; returns the bytes that went over the wire. */
export async function send(o: SendingOptions, pass: Pass, { existing = true, to = "/", temporary: part = temporary }: SendOptions = {}): Promise<number> {
  const paths = pass.paths.map((p) => (p === "/" ? "." : p.slice(1)));
  const said = await rsync(o, [
    ...attributes, "--dirs", "--from0", "--files-from=-", "--force", `--temp-dir=${part}`,
    // That they differ is known, and neither size nor time need show it.
    ...(existing ? ["--ignore-times"] : ["--ignore-existing", "--no-implied-dirs"]),
    ...(pass.atOnce ? ["--delay-updates"] : []),
    ...(pass.sparse ? ["--sparse", "--compress"] : []),
    "--info=progress2", "--stats", `${o.image}/`, `device:${to}`,
  ], paths.map((p) => `${p}\0`).join(""));
  return sentBytes(said);
}

/** Of what rsync says with `--stats`. */
export function sentBytes(said: string): number {
  return Number(/^Total bytes sent: ([\d,.]+)$/m.exec(said)?.[1]?.replace(/\D/g, "") ?? 0);
}

export interface Found {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  /** Paths that the image has not. */
  readonly extra: readonly string[];
}

/** Compares all of the device's root with the image, every byte of it, and changes nothing. */
export async function discover(o: SendingOptions, excludes: readonly string[]): Promise<Found> {
  const said = await rsync(o, [
    "--recursive", ...attributes, "--one-file-system", "--checksum", "--delete", "--dry-run", "--out-format=%i %n",
    "--timeout=600", ...excludes.map((path) => `--exclude=${path.replace(/[\\*?[]/g, "\\$&")}`),
    `${o.image}/`, "device:/",
  ], "");
  const [added, changed, extra]: [string[], string[], string[]] = [[], [], []];
  for (const line of said.split("\n")) {
    const m = /^(\*deleting  |[<>ch.*][fdLDS]\S{9}) (.*)$/.exec(line);
    if (!m) continue;
    const path = asPath(m[2]!);
    if (m[1]!.startsWith("*deleting")) extra.push(path);
    else (m[1]!.endsWith("+++++++++") ? added : changed).push(path);
  }
  return { added, changed, extra: extra.sort() };
}

/** rsync shows a byte that is no printable character as `\#ooo`; a directory ends in `/`. */
function asPath(name: string): string {
  const path = name.replace(/\\#([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))).replace(/\/$/, "");
  return path === "." || path === "" ? "/" : `/${path.replace(/^\.\//, "")}`;
}

/** Runs rsync on the connection, where a host is called `device`; returns what it says. */
export async function rsync(o: RsyncOptions, argv: readonly string[], input: string): Promise<string> {
  const { connection } = o;
  const all = asOwner(["rsync", "--timeout=60", `--rsh=${shellQuote(connection.rsh)}`, `--rsync-path=${connection.rsyncPath}`, ...argv]);
  const r = await run(all, { input: Buffer.from(input, "latin1"), ok: anyStatus, signals: true, env: { PATH: process.env.PATH ?? "", LC_ALL: "C", HOME: process.env.HOME ?? "/" }, onOutput: progress(o.emit) });
  if (r.code === 0) return r.stdout;
  throw failure(o, r);
}

/** `     1,234,567  45%    1.23MB/s    0:00:01` */
function progress(emit: Emit): (text: string) => void {
  return (text) => {
    const m = /([\d,]+)\s+(\d+)%/.exec(text);
    if (!m || m[2] === "0") return;
    const done = Number(m[1]!.replaceAll(",", ""));
    emit({ type: "progress", stage: "send", done, total: Math.round((done * 100) / Number(m[2])), unit: "bytes" });
  };
}

function failure({ connection, again: given }: RsyncOptions, r: { code: number; stderr: string }): UserError | Error {
  const { name } = connection.device;
  const o = { details: lastLines(r.stderr, 8), exit: exitStatus.device };
  const again = given ?? resume(name);
  if (/No space left on device|Disk quota exceeded|\(28\)/.test(r.stderr)) return fullDisk(name, o.details, again);
  if (/Read-only file system/.test(r.stderr)) return new UserError("push.read-only", `the disk of \`${name}\` became read-only: look at its kernel's messages`, { ...o, hint: `debcast ssh ${name} -- sudo dmesg` });
  const lost = connection.broken();
  if (lost) return lost;
  if (/rsync: (command )?not found|rsync: No such file/.test(r.stderr)) return noRsync(name);
  if (r.code === 24) return new UserError("push.vanished", "the image changed while it was sent", { ...o, hint: given ?? `debcast push ${name}` });
  if (r.code === 30 || r.code === 12 || r.code === 255 || r.code === -1) return new UserError("push.cut", `sending to \`${name}\` broke off`, { ...o, hint: again });
  return new UserError("push.rsync", `rsync could not bring all of it to \`${name}\` (status ${r.code})`, { ...o, hint: again });
}

export function noRsync(name: string): UserError {
  return new UserError("push.no-rsync", `\`${name}\` has no rsync`, { hint: 'scriptlets: ["push", …],   # and a disk made of that; or once on the device: apt-get install rsync', exit: exitStatus.device });
}
