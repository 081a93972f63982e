// What the file system says of everything that a build was made from: while none of it moved there is nothing to load, let alone
// to build. ctime cannot be set back, so this is never wrong in that direction; in the other one, the build looks properly.
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { engineKey } from "../engine.ts";

/** A print by path; `-` where nothing is. */
export type Sources = Readonly<Record<string, string>>;

export interface SourceOptions {
  /** Files, and directories with all that is in them. */
  readonly paths: readonly string[];
  /** Directories of which only the list of names counts. */
  readonly lists: readonly string[];
  /** No source may be younger (ms): it might have changed while it was read. */
  readonly before: number;
}

/** The prints of all sources; undefined where they would not say enough. */
export function takeSources(o: SourceOptions): Sources | undefined {
  if (secretsGiven()) return undefined;
  const prints: Record<string, string> = { debcast: engineKey() };
  let young = false;
  const take = (path: string, deep: boolean) => {
    const s = lstatSync(path, { throwIfNoEntry: false });
    prints[path] = printOf(path);
    young ||= s !== undefined && s.ctimeMs >= o.before;
    if (deep && s?.isDirectory()) for (const name of readdirSync(path)) take(join(path, name), true);
    // What a link leads to is as good as in its place.
    if (s?.isSymbolicLink()) young = true;
  };
  for (const path of o.paths) take(path, true);
  for (const path of o.lists) take(path, false);
  return young ? undefined : prints;
}

/** Whether all of them are as they were. */
export function sourcesSame(then: Sources): boolean {
  return !secretsGiven() && Object.entries(then).every(([path, print]) => print === (path === "debcast" ? engineKey() : printOf(path)));
}

function printOf(path: string): string {
  if (!existsSync(path)) return "-";
  const s = lstatSync(path, { bigint: true });
  return `${s.ino} ${s.size} ${s.mode} ${s.mtimeNs} ${s.ctimeNs}`;
}

/** Values in the environment leave no trace in the file system. */
function secretsGiven(): boolean {
  return Object.keys(process.env).some((name) => name.startsWith("DEBCAST_SECRET_"));
}
