// Another verb of this command, in a process of its own: it enters namespaces, which whoever starts it has no use for.
import { UserError } from "./errors.ts";
import type { Project } from "./project.ts";
import { onTerminal } from "./run.ts";

export interface ChildOptions {
  readonly project: Project;
  readonly conf: string;
  readonly mirrors: readonly string[];
  /** Further words for it. */
  readonly words?: readonly string[];
  /** Code of the error, and what does not come of it: `there is nothing to start`. */
  readonly error: readonly [string, string];
}

/** Set for a verb that another one has started: what it made is not said, for it is not what was asked for. */
export const inner = "DEBCAST_INNER";

/** Runs it to its end; what it says is said, but is no result of ours. */
export async function runVerb(verb: string, o: ChildOptions): Promise<void> {
  const argv = [process.execPath, process.argv[1]!, verb, "-C", o.project.dir, "-c", o.conf, ...o.mirrors.flatMap((m) => ["--mirror", m]), ...(o.words ?? [])];
  const status = await onTerminal(argv, 2, { ...process.env, [inner]: "1" });
  const [code, therefore] = o.error;
  if (status !== 0) throw new UserError(code, `\`debcast ${verb}\` ended with ${status}, so ${therefore}`, { exit: status > 0 ? status : 1 });
}
