import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { failedTree } from "../output/image.ts";
import { prepare } from "../prepare.ts";
import { throwAway } from "../rootfs/throwaway.ts";
import { inSandbox } from "../sandbox.ts";
import { openSandbox } from "../tools.ts";
import type { Context, Outcome, Verb } from "./verb.ts";
import { anyStatus } from "../run.ts";

export const verb: Verb = {
  name: "shell",
  usage: "shell [--failed] [-- COMMAND]",
  summary: "a shell, or a command, in a throw-away copy of the image",
  options: { failed: { type: "boolean", help: "in the tree of the build that failed last" } },
  namespaces: true,
  run: async (c: Context): Promise<Outcome> => {
    const p = await prepare(c);
    const image = join(c.project.imageDir, p.conf.name);
    const tree = c.options.failed ? failedTree(image) : image;
    if (!existsSync(tree)) throw missing(c, p.conf.name);
    const sandbox = await openSandbox(c, p.lock, async () => p);
    const work = join(c.project.imageDir, `.${p.conf.name}.shell`);
    mkdirSync(c.project.imageDir, { recursive: true });
    const stack = join(tree, "stack.json");
    const trees = c.options.failed && existsSync(stack) ? (JSON.parse(readFileSync(stack, "utf8")) as string[]) : [tree];
    const code = await throwAway(trees, work, async (copy) => {
      const argv = c.rest.length > 0 ? c.rest : ["/bin/sh", "-c", "exec \"$(command -v bash || command -v sh)\" -l"];
      return (await inSandbox(sandbox, copy, { argv, interactive: true, network: true, eatmydata: false, env: { TERM: process.env.TERM ?? "dumb" }, ok: anyStatus })).code;
    });
    return { data: { status: code }, code };
  },
};

function missing(c: Context, name: string): UserError {
  if (c.options.failed) return new UserError("shell.none-failed", `no failed build of \`${name}\` is there`, { hint: `debcast shell` });
  return new UserError("shell.no-image", `\`${name}\` has not been built`, { hint: `debcast image` });
}
