import { join } from "node:path";
import { initProject } from "../init.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "init",
  usage: "init DIR",
  summary: "start a project of one's own in DIR",
  args: [1, 1],
  run: async (c: Context): Promise<Outcome> => {
    const dir = join(c.project.dir, c.args[0]!);
    const files = await initProject(dir);
    return {
      text: files.map((f) => join(c.args[0]!, f)).join("\n"),
      data: { dir, files },
      next: [`debcast image -C ${c.args[0]}`],
    };
  },
};
