// The control archive of a .deb, read in memory: a few small plain files and nothing else.
import { UserError } from "../errors.ts";
import { printable } from "./ar.ts";

export interface ControlFile {
  readonly name: string;
  readonly mode: number;
  readonly mtime: number;
  readonly content: Buffer;
}

export interface Control {
  /** The paragraph, verbatim. */
  readonly text: string;
  /** Everything else: scripts, md5sums, conffiles, triggers, templates. */
  readonly files: readonly ControlFile[];
}

/** Of a decompressed control archive. The largest in Debian are some MB of md5sums. */
export const controlLimit = 64 << 20;

/** Reads a decompressed control.tar. `label` names its package in errors. */
export async function readControl(tar: Buffer, label: string): Promise<Control> {
  const { Parser } = await import("tar");
  const files = new Map<string, ControlFile>();
  let fault: string | undefined;
  const parser = new Parser({ strict: true, maxMetaEntrySize: 4096 });
  parser.on("entry", (entry) => {
    const name = entry.path.replace(/^(\.\/)+/, "").replace(/\/$/, "");
    if (entry.type === "Directory" && (name === "" || name === ".")) return void entry.resume();
    fault ??= faultIn(name, entry.type, files);
    const pieces: Buffer[] = [];
    entry.on("data", (piece: Buffer) => pieces.push(piece));
    entry.on("end", () => files.set(name, { name, mode: (entry.mode ?? 0o644) & 0o7777, mtime: secondsOf(entry.mtime), content: Buffer.concat(pieces) }));
  });
  await new Promise<void>((done, failed) => {
    parser.on("error", failed).on("end", done);
    parser.end(tar);
  }).catch((e: Error) => (fault ??= `it cannot be read (${e.message})`));
  const control = files.get("control");
  if (!fault && !control) fault = "there is no file `control` in it";
  if (fault) throw new UserError("deb.broken", `the control archive of \`${label}\` is broken: ${fault}`);
  files.delete("control");
  return { text: control!.content.toString(), files: [...files.values()] };
}

/** dpkg copies every name into its database, so only what can be a part of a file name there is taken. */
function faultIn(name: string, type: string, before: ReadonlyMap<string, unknown>): string | undefined {
  if (!["File", "OldFile", "ContiguousFile"].includes(type)) return `\`${printable(name)}\` in it is no plain file`;
  if (!/^[a-z0-9][a-z0-9_+-]{0,63}$/i.test(name)) return `it has a file with the name \`${printable(name)}\``;
  return before.has(name) ? `\`${name}\` is in it twice` : undefined;
}

function secondsOf(date: Date | undefined): number {
  return Math.floor((date?.getTime() ?? 0) / 1000);
}
