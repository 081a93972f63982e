import { collectGarbage } from "../caches.ts";
import { UserError, exitStatus } from "../errors.ts";
import { formatBytes, formatCount } from "../format.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "gc",
  usage: "gc [--keep SIZE]",
  summary: "bring downloads/ within a size; what was of no use for longest goes first, what the locks need stays",
  options: { keep: { type: "string", value: "SIZE", help: "so much may stay: 500M, 20G (default: 10G)" } },
  namespaces: true,
  exclusive: true,
  run: async (c: Context): Promise<Outcome> => {
    const kept = await collectGarbage(c.project, sizeOf((c.options.keep as string | undefined) ?? "10G"));
    const text = kept.removed === 0 ? `nothing to remove: ${formatBytes(kept.bytes)}` : `removed ${formatCount(kept.removed, "entry").replace(/entrys$/, "entries")}, ${formatBytes(kept.freed)}; ${formatBytes(kept.bytes)} left`;
    return { text, data: kept };
  },
};

function sizeOf(text: string): number {
  const m = /^(\d+(?:\.\d+)?)([KMGT]?)B?$/i.exec(text);
  if (!m) throw new UserError("usage", `\`${text}\` is no size`, { hint: "debcast gc --keep 20G", exit: exitStatus.usage });
  return Number(m[1]) * 1000 ** ["", "K", "M", "G", "T"].indexOf(m[2]!.toUpperCase());
}
