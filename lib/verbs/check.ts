import { relative } from "node:path";
import { checkCaches } from "../caches.ts";
import { enterNamespaces } from "../namespace.ts";
import { lockFileOf } from "../project.ts";
import { ensureHostPrograms } from "../setup.ts";
import { throwAll } from "../errors.ts";
import { prepare } from "../prepare.ts";
import { stage } from "../events.ts";
import { checkTypes } from "../plan/types.ts";
import { formatCount } from "../format.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "check",
  usage: "check [--caches]",
  summary: "prove base/ and conf/ right: types, names, dependencies",
  options: { caches: { type: "boolean", help: "read all of downloads/ instead, and take out of use what is damaged" } },
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit);
    if (c.options.caches) return caches(c);
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

/** Layers belong to other ids, so they are looked at from inside of the namespaces. */
async function caches(c: Context): Promise<Outcome> {
  await enterNamespaces({ lock: lockFileOf(c.project), waits: () => c.emit({ type: "note", text: "another debcast is building in this project: waiting until it is done" }) });
  const found = await stage(c.emit, "check", () => checkCaches(c.project, c.emit));
  const rows = found.map((d) => `${relative(process.cwd(), d.path)} ${d.what}`);
  const text = found.length === 0 ? "the caches are whole" : `${rows.join("\n")}\n${formatCount(found.length, "entry").replace(/entrys$/, "entries")} damaged, and out of use now: made or fetched again when needed`;
  return { text, data: found, ...(found.length > 0 && { code: 1 }) };
}
