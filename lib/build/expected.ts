// The links that a build has, in order, before any of them is looked for.
import type { Inputs, LinkInputs } from "../layers/inputs.ts";
import type { PlannedScriptlet } from "../plan/plan.ts";
import type { Prepared } from "../prepare.ts";
import { groupsOf } from "./groups.ts";

export interface Expected {
  readonly name: string;
  readonly inputs: Inputs;
}

export function expectedLinks(p: Prepared, inputs: LinkInputs): Expected[] {
  return [
    ...groupsOf(p).map((g, i) => ({ name: g.name, inputs: inputs.packages(g.debs, g.scriptlets, i === 0) })),
    { name: "certificates", inputs: inputs.settle() },
    ...inBatches(p.plan.scriptlets).map((some) => ({ name: batchName(some), inputs: inputs.scriptlets(some) })),
    { name: "settle all", inputs: inputs.settle() },
    { name: "caches and initramfs", inputs: inputs.settle() },
    { name: "clean up", inputs: inputs.finish(lastOnes(p)) },
  ];
}

/** A stack holds so many layers of scriptlets. */
const mostLinks = 200;

/** Those with a run(), one each up to 200, then two, four, …: one scriptlet more does not move all the others. */
export function inBatches(all: readonly PlannedScriptlet[]): PlannedScriptlet[][] {
  const running = all.filter((s) => s.run.length > 0);
  let size = 1;
  while (running.length / size > mostLinks) size *= 2;
  return Array.from({ length: Math.ceil(running.length / size) }, (_, i) => running.slice(i * size, (i + 1) * size));
}

export function batchName(some: readonly PlannedScriptlet[]): string {
  return some.map((s) => s.name).join(", ");
}

export function lastOnes(p: Prepared): PlannedScriptlet[] {
  return p.plan.scriptlets.filter((s) => s.runLast.length > 0);
}
