import { relative } from "node:path";
import { prepare } from "../prepare.ts";
import { describeChanges } from "../changes.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "lock",
  usage: "lock",
  summary: "write conf/NAME.lock, or add what it lacks; moves no version",
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit);
    const { changes, lockFile, lock } = await prepare(c);
    return {
      text: changes.length === 0 ? `${relative(process.cwd(), lockFile)} says all already` : describeChanges(changes),
      data: { lock: lockFile, archives: lock.archives, changes },
      next: [`debcast image`],
    };
  },
};
