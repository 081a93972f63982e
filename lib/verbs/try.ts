import { join } from "node:path";
import { install, runAll } from "../build.ts";
import { openWorks, type Works } from "../build/works.ts";
import { UserError, nearest } from "../errors.ts";
import { findScriptlets } from "../plan/catalogue.ts";
import { changesIn, photograph, type Photograph, type TreeChanges } from "../rootfs/photograph.ts";
import { removeTree } from "../rootfs/tree.ts";
import { inSandbox } from "../sandbox.ts";
import { prepare } from "../prepare.ts";
import { anyStatus } from "../run.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "try",
  usage: "try SCRIPTLET",
  summary: "build minbase and one scriptlet with its needs, list what its run() changed, open a shell",
  args: [1, 1],
  namespaces: true,
  exclusive: true,
  run: async (c: Context): Promise<Outcome> => {
    const [name] = c.args as [string];
    mustBeScriptlet(c, name);
    const p = await prepare(c, { only: [name] });
    const root = join(c.project.imageDir, `.try-${name}.new`);
    let before: Photograph | undefined;
    let changes: TreeChanges | undefined;
    const w = await openWorks(c, p, { plain: root, again: name, around: async (s, tree, work) => {
      if (s.name === name) before = photograph(tree);
      await work();
      if (before && s.name === name) changes = changesIn(before, photograph(tree));
    } });
    try {
      await install(w);
      await runAll(w);
      await w.chain.look((tree) => openShell(c, w, tree));
    } finally {
      await w.close();
      await removeTree(root);
    }
    return { text: describe(name, changes), data: { scriptlet: name, changes: changes ?? null } };
  },
};

function mustBeScriptlet(c: Context, name: string): void {
  const names = [...findScriptlets(c.project).keys()];
  if (names.includes(name)) return;
  const near = nearest(name, names);
  throw new UserError("try.unknown", `there is no scriptlet \`${name}\``, { hint: near ? `did you mean \`debcast try ${near}\`?` : `a scriptlet is a file base/${name}.ts` });
}

async function openShell(c: Context, w: Works, tree: string): Promise<void> {
  if (c.json || !process.stdin.isTTY) return;
  c.emit({ type: "note", text: "a shell in the tree; it is gone when you leave" });
  const argv = ["/bin/sh", "-c", "exec \"$(command -v bash || command -v sh)\" -l"];
  await inSandbox(await w.sandbox(), tree, { argv, interactive: true, eatmydata: false, env: { TERM: process.env.TERM ?? "dumb" }, ok: anyStatus });
}

function describe(name: string, changes: TreeChanges | undefined): string {
  if (!changes) return `${name} has no run()`;
  const rows = [...changes.added.map((p) => `added    ${p}`), ...changes.changed.map((p) => `changed  ${p}`), ...changes.removed.map((p) => `removed  ${p}`)];
  return rows.length === 0 ? `run() of ${name} changed nothing` : rows.join("\n");
}
