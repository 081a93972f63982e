import { loggedNames, readBuildLog } from "../buildlog.ts";
import { imageName } from "../project.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "log",
  usage: "log [PKG|SCRIPTLET]",
  summary: "what a package or scriptlet said in the last build",
  args: [0, 1],
  run: async (c: Context): Promise<Outcome> => {
    const image = imageName(c.conf);
    const [name] = c.args;
    if (name === undefined) {
      const names = loggedNames(c.project, image);
      return { text: names.join("\n"), data: names };
    }
    const text = readBuildLog(c.project, image, name);
    return { text, data: { name, text } };
  },
};
