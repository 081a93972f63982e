// run() of each scriptlet: a link each, or one for several where there are very many.
import { downloadPath } from "../cache.ts";
import { gather } from "../gather.ts";
import type { Result } from "../layers/chain.ts";
import type { Layer } from "../layers/shelf.ts";
import type { Made } from "../made.ts";
import type { PlannedScriptlet } from "../plan/plan.ts";
import { runScriptlets, type Phase, type Ran } from "../rootfs/steps.ts";
import { batchName, inBatches } from "./expected.ts";
import { link, type Works } from "./works.ts";

export interface ScriptletFacts {
  readonly made: readonly Made[];
  readonly planned: Readonly<Record<string, boolean>>;
  /** Digests of what was read of the conf, some of it only when it ran. */
  readonly conf: Readonly<Record<string, string>>;
  readonly always: boolean;
}

export async function scriptlets(w: Works): Promise<void> {
  for (const some of inBatches(w.p.plan.scriptlets)) {
    const layer = await link(w, {
      name: batchName(some),
      inputs: w.inputs.scriptlets(some),
      accepts: (l) => stillTrue(w, l),
      work: async (root) => {
        await fetchDownloads(w, some);
        const ran = await runPhase(w, { phase: "run", scriptlets: some, root });
        return resultOf(w, some, ran, ran.programs ? "inputs" : "content");
      },
    });
    w.made.push(...(layer.facts as ScriptletFacts).made);
  }
}

/** What is kept of scriptlets that ran. What somebody saved meanwhile may have gone into it in part: it is made again the next time. */
export function resultOf(w: Works, some: readonly PlannedScriptlet[], ran: Ran, state: "content" | "inputs"): Result {
  const conf = confRead(w, some);
  const always = ran.outside || w.inputs.changedMeanwhile(some);
  const facts: ScriptletFacts = { made: ran.made, planned: ran.planned, conf, always };
  return { facts, learnt: { planned: ran.planned, conf }, state: always ? "once" : state };
}

/** Digests of what they have read of the conf so far. */
export function confRead(w: Works, some: readonly PlannedScriptlet[]): Record<string, string> {
  return Object.fromEntries(w.inputs.confRead(some).map((key) => [key, w.inputs.confValue(key)]));
}

/** What a scriptlet learnt while it ran, beside what its inputs say. */
export function stillTrue(w: Works, layer: Layer): boolean {
  const { planned } = layer.facts as ScriptletFacts;
  const names = new Set(w.p.plan.scriptlets.map((s) => s.name));
  return Object.entries(planned).every(([name, was]) => names.has(name) === was) && sameConf(w, layer);
}

/** What it read of the conf while it ran, beside what was read when it was loaded, still says the same. */
export function sameConf(w: Works, layer: Layer): boolean {
  const { conf } = layer.facts as { conf?: Readonly<Record<string, string>> };
  return Object.entries(conf ?? {}).every(([key, value]) => w.inputs.confValue(key) === value);
}

/** Packages may all be on the shelf, and then nothing has been fetched yet. */
async function fetchDownloads(w: Works, some: readonly PlannedScriptlet[]): Promise<void> {
  if (some.some((s) => s.downloads.length > 0)) await gather(w.c, { ...w.p, lock: { ...w.p.lock, debs: [] } });
}

/** Runs one phase of these scriptlets in the tree `root`. */
export async function runPhase(w: Works, o: { phase: Phase; scriptlets: readonly PlannedScriptlet[]; root: string }): Promise<Ran> {
  const { c, p, log, around } = w;
  return runScriptlets(o.scriptlets, {
    plan: p.plan, phase: o.phase, root: o.root, sandbox: await w.sandbox(), secrets: p.secrets, epoch: p.epoch, emit: c.emit,
    downloads: (sha256) => downloadPath(c.project, sha256),
    log: (name, text) => log.write("scriptlet", name, text),
    ...(o.phase === "run" && around && { around: (s, work) => around(s, o.root, work) }),
  });
}
