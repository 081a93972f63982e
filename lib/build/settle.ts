// After the scriptlets: what depends on the whole tree, the initramfs, and the cleaning up.
import { availableParallelism } from "node:os";
import { shelfDir } from "../layers/shelf.ts";
import { touchedBy } from "../output/image.ts";
import { UserError, allEnded } from "../errors.ts";
import type { Ledger } from "../lock.ts";
import { applyAll, identityOf, openDeferred, remembered, type DeferredOptions, type Outcome } from "../rootfs/deferred.ts";
import { clean } from "../rootfs/hygiene.ts";
import { withQuickCopies } from "../rootfs/dracutinstall.ts";
import { hooksKnown, initramfsReads } from "../rootfs/initramfs.ts";
import { agrees, applyLedger, withNames, type Settled } from "../rootfs/ledger.ts";
import { initramfsKernels, settle } from "../rootfs/settle.ts";
import { clampMtimes } from "../rootfs/tree.ts";
import { lastOnes } from "./expected.ts";
import { resultOf, runPhase, stillTrue, type ScriptletFacts } from "./scriptlets.ts";
import { link, type Works } from "./works.ts";

/** Paths that differ from what packages left; without layers, those that steps name. */
export function changedPaths(w: Works, trees: readonly string[] = w.chain.trees()): ReadonlySet<string> {
  if (!w.chain.layered) return new Set(w.made.map((m) => m.path));
  return touchedBy(shelfDir(w.c.project.downloads), trees.slice(w.installed.trees));
}

/** The programs that packages left for later, with the digests of what no scriptlet touched taken from the last time. */
function deferring(w: Works, changed: ReadonlySet<string>): DeferredOptions {
  const { digests } = w.installed;
  if (!w.chain.layered || !digests) return w.deferring;
  return { ...w.deferring, digest: (root, o) => digests.digest(root, o, changed) };
}

interface SettleFacts {
  readonly ids: Settled;
  /** Says what depmod and its like changed; null where that cannot be told. */
  readonly modules: string | null;
}

/** Ids, files that must be there, and what the initramfs is made of. */
export async function settleTree(w: Works): Promise<void> {
  const { c, p, chain } = w;
  const changed = changedPaths(w);
  const layer = await link(w, {
    name: "settle all", inputs: w.inputs.settle(),
    accepts: (l) => agrees(w.ids.ledger, (l.facts as SettleFacts).ids),
    work: async (root) => {
      const sandbox = await w.sandbox();
      const later = new Set(w.installed.calls.map((c) => c.argv[0]!));
      await settle({ root, sandbox, changed, later, more: !chain.layered, epoch: p.epoch, emit: c.emit, log: logOf(w) });
      const modules = await openDeferred(deferring(w, changed)).run(root, w.installed.calls, "modules");
      applyAll(modules, root);
      const { settled } = await applyLedger(root, w.ids.ledger, sandbox);
      return { facts: { ids: settled, modules: identityOf(modules) ?? null }, learnt: settled, state: "inputs" };
    },
  });
  const { ids, modules } = layer.facts as SettleFacts;
  w.installed.changed = changed;
  w.installed.modules = modules;
  w.ids.ledger = withNames(w.ids.ledger, ids);
  if (c.locked) refuseNewIds(p.lock.ledger, w);
}

/** With --locked a name that the lock does not know is refused, for its id would be chance. */
function refuseNewIds(locked: Ledger, w: Works): void {
  const given = new Set(w.p.conf.users.map((u) => u.name));
  const unknown = (["users", "groups"] as const).flatMap((kind) => [...w.ids.ledger[kind].keys()].filter((n) => !locked[kind].has(n) && !given.has(n)));
  if (unknown.length === 0) return;
  throw new UserError("lock.ids", `the lock has no ids for ${[...new Set(unknown)].map((n) => `\`${n}\``).join(", ")}`, {
    hint: "`debcast image`, once without --locked, records them; commit the lock",
  });
}

/** The rest of what packages left for later, and an initramfs for each kernel, all beside each other, and beside `meanwhile`. */
export async function makeCaches(w: Works, meanwhile: () => void): Promise<void> {
  const { p, chain } = w;
  await link(w, {
    name: "caches and initramfs", inputs: w.inputs.settle(),
    work: async (root) => {
      // They keep the times of what goes into them.
      if (!chain.layered) await clampMtimes(root, p.epoch);
      // What the link before this one changed is told by what it remembered.
      const o = deferring(w, w.installed.changed!);
      const caches = () => openDeferred(o).run(root, w.installed.calls, "caches");
      const initramfs = async () => {
        const changes: Outcome[] = [];
        for (const kernel of initramfsKernels(root)) changes.push(await initramfsOf(w, { root, kernel, o }));
        return changes;
      };
      const both = () => {
        const going = [initramfs(), caches()];
        meanwhile();
        return allEnded(going);
      };
      const changes = chain.layered ? await both() : [await caches(), await initramfs()];
      applyAll(changes.flat(), root);
      return { facts: { same: identityOf(changes.flat()) }, state: "inputs" };
    },
  });
}

function initramfsOf(w: Works, { root, kernel, o }: { root: string; kernel: string; o: DeferredOptions }): Promise<Outcome> {
  const modules = w.installed.modules!;
  const forget = !hooksKnown(root) || modules === null;
  const reads = forget || !w.chain.layered ? "" : [modules, initramfsReads(root, { kernel, changed: w.installed.changed!, identity: o.identity, digest: o.digest, epoch: w.p.epoch })].join(" ");
  // zstd comes to the same bytes with any number of threads.
  const env = { ZSTD_NBTHREADS: String(availableParallelism()) };
  return remembered(o, root, { name: "initramfs", argv: ["/usr/sbin/update-initramfs", "-c", "-k", kernel], env, reads, forget, around: withQuickCopies });
}

/** Trims what scriptlets say at the end, and removes what a build leaves. */
export async function cleanUp(w: Works): Promise<void> {
  const { p, chain } = w;
  const last = lastOnes(p);
  const layer = await link(w, {
    name: "clean up", inputs: w.inputs.finish(last),
    accepts: (l) => stillTrue(w, l),
    work: async (root) => {
      const ran = await runPhase(w, { phase: "runLast", scriptlets: last, root });
      await clean(root, { epoch: p.epoch });
      if (!chain.layered) await clampMtimes(root, p.epoch);
      return resultOf(w, last, ran, "inputs");
    },
  });
  w.made.push(...(layer.facts as ScriptletFacts).made);
}

function logOf(w: Works): (name: string, text: string) => void {
  return (name, text) => w.log.write("stage", name, text);
}
