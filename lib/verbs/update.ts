import { prepare } from "../prepare.ts";
import { describeChanges } from "../changes.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "update",
  usage: "update [PKG…]",
  summary: "move packages, or all, to what the archive has now, and say what changed",
  args: [0, Infinity],
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit);
    const { changes, lockFile } = await prepare(c, { update: c.args.length > 0 ? c.args : "all" });
    return {
      text: changes.length === 0 ? "nothing is newer" : describeChanges(changes),
      data: { lock: lockFile, changes },
      next: [`debcast image`],
    };
  },
};
