// This command once more, for a verb that another one stands on: in a process of its own, which enters namespaces if it has to.
import { UserError } from "./errors.ts";
import type { Project } from "./project.ts";
import { onTerminal } from "./run.ts";

export interface AgainOptions {
  readonly project: Project;
  readonly conf: string;
  readonly mirrors: readonly string[];
  readonly quiet: boolean;
  readonly locked?: boolean;
  /** Default true. */
  readonly cache?: boolean;
}

/** Runs `debcast VERB`; what it says is said, but is no result of this one. */
export async function again(verb: string, o: AgainOptions): Promise<void> {
  const flags = [...o.mirrors.flatMap((m) => ["--mirror", m]), ...(o.quiet ? ["--quiet"] : []), ...(o.locked ? ["--locked"] : []), ...(o.cache === false ? ["--no-cache"] : [])];
  const status = await onTerminal([process.execPath, process.argv[1]!, verb, "-C", o.project.dir, "-c", o.conf, ...flags], 2);
  if (status !== 0) throw new UserError("again", `\`debcast ${verb}\` of \`${o.conf}\` ended with ${status}, and there is no going on without it`, { exit: status > 0 ? status : 1 });
}
