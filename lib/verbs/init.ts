import { join, relative, resolve } from "node:path";
import { initProject } from "../init.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "init",
  usage: "init DIR",
  summary: "start a project of one's own in DIR",
  args: [1, 1],
  run: async (c: Context): Promise<Outcome> => {
    const dir = resolve(c.project.dir, c.args[0]!);
    const files = await initProject(dir);
    const near = relative(process.cwd(), dir);
    return {
      text: files.map((f) => join(near, f)).join("\n"),
      data: { dir, files },
      next: [near === "" ? "debcast image" : `debcast image -C ${near}`],
    };
  },
};
