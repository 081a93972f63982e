import { ensureHostPrograms } from "../setup.ts";
import { throwAll } from "../errors.ts";
import { prepare } from "../prepare.ts";
import { stage } from "../events.ts";
import { checkTypes } from "../plan/types.ts";
import { formatCount } from "../format.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "check",
  usage: "check",
  summary: "prove base/ and conf/ right: types, names, dependencies",
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit);
    const { plan, lock, conf, missingSecrets } = await prepare(c);
    throwAll(missingSecrets);
    await stage(c.emit, "types", () => checkTypes(c.project));
    const packages = lock.debs.filter((d) => d.roles.includes("image")).length;
    return {
      text: `${conf.name}: ${formatCount(plan.scriptlets.length, "scriptlet")}, ${formatCount(packages, "package")}, no mistakes`,
      data: { conf: conf.name, scriptlets: plan.scriptlets.length, packages },
      next: [`debcast image`],
    };
  },
};
