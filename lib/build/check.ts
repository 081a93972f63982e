// The gates: the packages' part is looked at once, beside what scriptlets do, and remembered; then only what changed since.
import { throwAll } from "../errors.ts";
import { hashOf, idOf } from "../layers/shelf.ts";
import { findings, gates, type Findings } from "../rootfs/gates.ts";
import { changedPaths } from "./settle.ts";
import { excludesOf, type Works } from "./works.ts";

/** Begins to look at what the packages left: a second's work for this process, which has nothing to do while an initramfs is made. */
export function beginLook(w: Works): void {
  if (!w.chain.layered || w.installed.found) return;
  const found = lookAtPackages(w);
  w.installed.found = found;
  w.beside.push(found);
  found.catch(() => {});
}

async function lookAtPackages(w: Works): Promise<Findings> {
  const { state, trees } = w.installed;
  const id = idOf("findings", state);
  const there = w.c.cache ? w.shelf.find(id) : undefined;
  if (there) return there.facts as Findings;
  const facts = await w.chain.look(async (root) => findings(root, { sandbox: await w.sandbox(), epoch: w.p.epoch, placed: w.installed.placed }), w.chain.trees().slice(0, trees));
  await w.shelf.put([{ id, name: "findings", below: hashOf(), inputs: {}, state: "", tree: null, facts }]);
  return facts;
}

/** Throws everything that is wrong with the finished tree. */
export async function checkImage(w: Works, root: string): Promise<void> {
  const before = w.installed.found && { findings: await w.installed.found, changed: changedPaths(w) };
  throwAll(await gates(root, { sandbox: await w.sandbox(), excludes: excludesOf(w.p), placed: w.installed.placed, epoch: w.p.epoch, made: w.made.map((m) => m.path), ...(before && { before }) }));
}
