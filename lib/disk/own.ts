// Paths that are this process's alone, for two of them may be at the same disk. What killed ones left of such a name goes.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A directory in `dir`, to be made and removed by whoever asks. */
export function ownDirectory(dir: string, name: string): string {
  return own(dir, `.${name}.`, "");
}

/** What `file` is called until it is whole. */
export function partOf(file: string): string {
  return own(dirname(file), `${basename(file)}.`, ".part");
}

function own(dir: string, before: string, after: string): string {
  for (const left of existsSync(dir) ? readdirSync(dir) : []) {
    const pid = left.startsWith(before) && left.endsWith(after) ? left.slice(before.length, left.length - after.length) : "";
    if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`)) rmSync(join(dir, left), { recursive: true, force: true });
  }
  return join(dir, `${before}${process.pid}${after}`);
}
