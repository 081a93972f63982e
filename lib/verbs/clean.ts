import { existsSync } from "node:fs";
import { relative } from "node:path";
import { UserError } from "../errors.ts";
import { enterNamespaces, insideNamespaces } from "../namespace.ts";
import { removeTree } from "../rootfs/tree.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "clean",
  usage: "clean",
  summary: "remove image/ and out/; downloads/ stays",
  run: async (c: Context): Promise<Outcome> => {
    const removed: string[] = [];
    for (const dir of [c.project.imageDir, c.project.outDir]) {
      if (!existsSync(dir)) continue;
      await remove(dir);
      removed.push(relative(process.cwd(), dir));
    }
    return { text: removed.length > 0 ? `removed ${removed.join(" and ")}` : "nothing to remove", data: { removed } };
  },
};

/** Trees that a normal user built belong to subordinate ids: only inside of the user's namespace can they go. */
async function remove(dir: string): Promise<void> {
  try {
    await removeTree(dir);
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code !== "EACCES" && code !== "EPERM") throw e;
    if (insideNamespaces()) {
      throw new UserError("clean.owner", `\`${dir}\` belongs to somebody else, probably root`, { hint: "sudo debcast clean", cause: e });
    }
    await enterNamespaces();
  }
}
