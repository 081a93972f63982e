import { relative } from "node:path";
import { stage } from "../events.ts";
import { formatBytes, formatCount } from "../format.ts";
import { gather } from "../gather.ts";
import { prepare } from "../prepare.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "fetch",
  usage: "fetch",
  summary: "fetch every .deb and download, so that a build needs no network",
  run: async (c: Context): Promise<Outcome> => {
    await ensureHostPrograms(c.emit);
    const p = await prepare(c);
    const r = await stage(c.emit, "fetch", () => gather(c, p), (f) => `${f.fetched} fetched, ${f.present} in the cache`);
    return {
      text: `${formatCount(r.fetched + r.present, "file")} in ${relative(process.cwd(), c.project.downloads)}, ${formatBytes(r.bytes)} fetched`,
      data: r,
      next: [`debcast image`],
    };
  },
};
