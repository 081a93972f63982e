// The groups of packages: a link each, from the essential ones up.
import type { Where } from "../errors.ts";
import type { Layer } from "../layers/shelf.ts";
import type { Made } from "../made.ts";
import type { Prepared } from "../prepare.ts";
import { installGroup, type DebToInstall } from "../rootfs/configure.ts";
import { applyAll, surelyCalled, wantedEarly, type Call } from "../rootfs/deferred.ts";
import { agrees, applyLedger, withNames, type Settled } from "../rootfs/ledger.ts";
import { groupsOf, type Deb, type Group } from "./groups.ts";
import { confRead, runPhase, sameConf } from "./scriptlets.ts";
import { excludesOf, link, type Works } from "./works.ts";

export interface PackageFacts {
  readonly ids: Settled;
  readonly made: readonly Made[];
  /** What maintainer scripts left for later. */
  readonly calls: readonly Call[];
  readonly placed: readonly (readonly [string, number])[];
}

/** Installs every group that is not on the shelf; `done` is called after each with the share of the .debs' bytes that is installed. */
export async function packages(w: Works, done: (share: number) => void): Promise<void> {
  const all = groupsOf(w.p);
  const weights = all.map((g) => g.debs.reduce((sum, d) => sum + d.size, 0));
  const weightOf = (some: readonly number[]) => some.reduce((a, b) => a + b, 0);
  const calls: Call[] = [];
  for (const [i, group] of all.entries()) {
    const below = all.slice(0, i).flatMap((g) => g.debs);
    const ownFiles = all.slice(0, i + 1).some((g) => g.scriptlets.some((s) => s.before.length > 0));
    const layer = await link(w, {
      name: group.name,
      inputs: w.inputs.packages(group.debs, group.scriptlets, i === 0),
      accepts: (l) => agrees(w.ids.ledger, (l.facts as PackageFacts).ids) && sameConf(w, l),
      work: async (root) => {
        const facts = await install(w, { group, below, ownFiles, root });
        return { facts, learnt: { ids: facts.ids, conf: facts.conf }, state: facts.always ? "once" : "inputs" };
      },
    });
    take(w, layer);
    calls.push(...(layer.facts as PackageFacts).calls);
    // What scriptlets wait for begins now; later groups seldom change what it reads. The rest has time until all packages are there.
    const begun = i === all.length - 1 ? [...calls] : wantedEarly(calls);
    if (w.chain.layered && !w.chain.told.at(-1)!.reused && begun.length > 0) w.beside.push(w.chain.look((root) => w.deferred.begin(root, begun, { still: true })));
    done(weightOf(weights.slice(0, i + 1)) / weightOf(weights));
  }
  w.installed.calls.push(...calls);
  await link(w, {
    name: "certificates",
    inputs: w.inputs.settle(),
    work: async (root) => {
      applyAll(await w.deferred.run(root, calls, "before scriptlets"), root);
      return { facts: null, state: "inputs" };
    },
  });
}

function take(w: Works, layer: Layer): void {
  const { ids, made, placed } = layer.facts as PackageFacts;
  w.ids.ledger = withNames(w.ids.ledger, ids);
  w.made.push(...made);
  for (const [id, at] of placed) w.installed.placed.set(id, at);
}

async function install(w: Works, o: { group: Group; below: readonly Deb[]; ownFiles: boolean; root: string }): Promise<PackageFacts & { conf: Record<string, string>; always: boolean }> {
  const { c, p, log } = w;
  const { group, root } = o;
  const store = await w.store();
  const sandbox = await w.sandbox();
  const stored = (d: Deb): DebToInstall => ({ deb: d.deb, stored: store.get(d.sha256), control: store.control(d.sha256) });
  const made: Made[] = [];
  const { calls, placed } = await installGroup({
    root, sandbox, debs: group.debs.map(stored), below: o.below.map(stored), arch: p.lock.arch, epoch: p.epoch, emit: c.emit,
    excludes: excludesOf(p), ownFiles: o.ownFiles,
    preseed: group.scriptlets.flatMap((s) => s.debconf.map((d) => d.text)),
    log: (name, text) => log.write("package", name, text),
    before: async () => void made.push(...(await runPhase(w, { phase: "before", scriptlets: group.scriptlets, root })).made),
    whereOf: (name) => p.local.find((l) => l.info.name === name)?.info.where ?? whereAsked(p, name),
    placed: (entries) => void w.beside.push(w.deferred.begin(root, surelyCalled(entries), { still: false })),
  });
  const { settled } = await applyLedger(root, w.ids.ledger, sandbox);
  const before = group.scriptlets.filter((s) => s.before.length > 0);
  return { ids: settled, made, calls, placed: [...placed], conf: confRead(w, before), always: w.inputs.changedMeanwhile(before) };
}

/** The line that names a package of the lock, itself or by a pattern. */
function whereAsked(p: Prepared, name: string): Where | undefined {
  return p.plan.scriptlets.flatMap((s) => s.debs).find((d) => (d.kind === "name" ? d.name : p.lock.patterns.get(d.spec)) === name)?.where;
}
