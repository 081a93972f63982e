// What the stages of a build share, opened as late as possible: a build that reuses everything needs no .deb and no sandbox.
import { mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openBuildLog, type BuildLog, type Said } from "../buildlog.ts";
import { throwAll } from "../errors.ts";
import { openDeferred, type Call, type Deferred, type DeferredOptions } from "../rootfs/deferred.ts";
import { firstOfGroups, groupsOf, identities } from "./groups.ts";
import { span, stage } from "../events.ts";
import { formatBytes, formatCount } from "../format.ts";
import { gather, pathOfDeb } from "../gather.ts";
import { openChain, type Chain, type Link } from "../layers/chain.ts";
import { openInputs, type LinkInputs } from "../layers/inputs.ts";
import { hashOf, memoDir, openShelf, shelfDir, type Layer, type Shelf } from "../layers/shelf.ts";
import type { Ledger, LockedDeb } from "../lock.ts";
import type { Made } from "../made.ts";
import { checkTypes } from "../plan/types.ts";
import type { PlannedScriptlet } from "../plan/plan.ts";
import type { Prepared } from "../prepare.ts";
import type { Findings } from "../rootfs/gates.ts";
import { pinned } from "../rootfs/ledger.ts";
import { readsDigest, type KnownDigests } from "../rootfs/reads.ts";
import { ensureTools } from "../rootfs/tools.ts";
import { removeTree } from "../rootfs/tree.ts";
import type { Sandbox } from "../sandbox.ts";
import { openStore, type DebFile, type Store } from "../store/store.ts";
import type { Context } from "../verbs/verb.ts";

/** What is known once packages are installed, and of the tree since then. */
export interface Installed {
  links: number;
  trees: number;
  state: string;
  /** What maintainer scripts left for later. */
  readonly calls: Call[];
  readonly placed: Map<string, number>;
  /** What a look at the packages finds. */
  found?: Promise<Findings>;
  digests?: KnownDigests;
  /** Paths that scriptlets changed, before anything was settled. */
  changed?: ReadonlySet<string>;
  /** As in `SettleFacts`. */
  modules?: string | null;
}

export interface Works {
  readonly c: Context;
  readonly p: Prepared;
  readonly chain: Chain;
  readonly shelf: Shelf;
  readonly installed: Installed;
  readonly inputs: LinkInputs;
  readonly log: BuildLog;
  /** All .debs, on their way into the store. */
  readonly store: () => Promise<Store>;
  readonly sandbox: () => Promise<Sandbox>;
  /** Settles when types are checked. */
  readonly typed: Promise<void>;
  readonly deferred: Deferred;
  readonly deferring: DeferredOptions;
  /** What steps of scriptlets made, so far. */
  readonly made: Made[];
  readonly ids: { ledger: Ledger };
  /** What goes on beside the chain; `close` waits for each of it. */
  readonly beside: Promise<unknown>[];
  /** Around the run() of each scriptlet, for `try`. */
  readonly around?: (scriptlet: PlannedScriptlet, root: string, work: () => Promise<void>) => Promise<void>;
  close(): Promise<void>;
}

/** `plain` is the tree of a build that has no layers; the link `again` is run even if nothing that goes into it changed. */
export async function openWorks(c: Context, p: Prepared, o: { plain: string; again?: string; around?: Works["around"] }): Promise<Works> {
  throwAll(p.missingSecrets);
  // Directories that nothing says the mode of are as in any Debian, whoever builds.
  process.umask(0o022);
  await removeTree(o.plain);
  const shelf = openShelf(shelfDir(c.project.downloads));
  mkdirSync(dirname(o.plain), { recursive: true });
  const inputs = inputsOf(c, p);
  const chain = await openChain({ layers: process.env.DEBCAST_LAYERS !== "off", shelf, memo: openShelf(memoDir(c.project.downloads)), plain: o.plain, epoch: p.epoch, cache: c.cache, ...(o.again !== undefined && { again: o.again }) });
  const name = basename(o.plain).replace(/^\.|\.new$/g, "");
  const log = openBuildLog(c.project, name, { mask: p.secrets.mask, ...(c.verbose && { echo: (text) => c.emit({ type: "note", text }) }) });
  const store = once(() => openFilledStore(c, p));
  const sandbox = once(() => openTools(c, p, store));
  // A mistake that only types show ends the build before anything is published; nothing waits for it until then.
  const typed = checkTypes(c.project);
  const beside: Promise<unknown>[] = [typed];
  typed.catch(() => {});
  const installed: Installed = { links: 0, trees: 0, state: "", calls: [], placed: new Map() };
  const deferring: DeferredOptions = { chain, sandbox, epoch: p.epoch, emit: c.emit, log: (name, text) => log.write("stage", name, text), identity: identities(p), engine: hashOf(inputs.settle()), digest: readsDigest };
  return {
    c, p, typed, deferring, deferred: openDeferred(deferring), chain, shelf, installed, inputs, log, store, sandbox, made: [], beside, ids: { ledger: pinned(p.lock.ledger, p.conf.users) }, ...(o.around && { around: o.around }),
    close: async () => {
      await Promise.allSettled(beside);
      installed.digests?.save();
      await chain.close();
      if (store.called()) await (await store().catch(() => undefined))?.close();
    },
  };
}

/** A link of the build; what was said while its layer was made stays with it. */
export async function link(w: Works, l: Link): Promise<Layer> {
  w.log.take();
  const layer = await w.chain.link({
    ...l,
    work: async (root) => {
      const { facts, ...result } = await span(w.c.emit, l.name, "links", () => l.work(root));
      return { ...result, facts: { ...(facts as object | null), said: w.log.take() } };
    },
  });
  if (w.chain.told.at(-1)!.reused) w.log.replay((layer.facts as { said: Said[] }).said);
  return layer;
}

interface Once<T> {
  (): Promise<T>;
  called(): boolean;
}

/** Calls `make` at the first use, and never again. */
function once<T>(make: () => Promise<T>): Once<T> {
  let made: Promise<T> | undefined;
  return Object.assign(() => (made ??= make()), { called: () => made !== undefined });
}

async function openFilledStore(c: Context, p: Prepared): Promise<Store> {
  await stage(c.emit, "fetch", () => gather(c, p), (r) => (r.fetched === 0 ? `${formatCount(r.present, "file")} in the cache` : `${formatCount(r.fetched, "file")}, ${formatBytes(r.bytes)}`));
  return openStore({ dir: join(c.project.downloads, "store"), debs: debFiles(c, p), emit: c.emit, cache: c.cache });
}

async function openTools(c: Context, p: Prepared, store: Once<Store>): Promise<Sandbox> {
  const from = { get: async (sha256: string) => (await store()).get(sha256) };
  const sandbox = await stage(c.emit, "tools", () => ensureTools({ dir: join(c.project.downloads, "tools"), lock: p.lock, store: from, emit: c.emit, epoch: p.epoch, cache: c.cache }));
  if (store.called()) await (await store()).useTools(sandbox.tools);
  return sandbox;
}

/** What goes into the links of this build. */
export function inputsOf(c: Context, p: Prepared): LinkInputs {
  const tools = p.lock.debs.filter((d) => d.roles.includes("tools"));
  return openInputs({ plan: p.plan, tools, excludes: excludesOf(p), secrets: p.secrets, epoch: p.epoch, arch: p.lock.arch, shelf: shelfDir(c.project.downloads) });
}

export function excludesOf(p: Prepared): string[] {
  return [...p.conf.excludes, ...p.plan.scriptlets.flatMap((s) => s.excludes.map((e) => e.glob))];
}

/** Everything for the store, in the order in which it is needed: every program of the image runs in the tools' tree. */
function debFiles(c: Context, p: Prepared): DebFile[] {
  const groups = new Map(groupsOf(p).flatMap((g, i) => g.debs.map((d) => [d.sha256, i + 1] as const)));
  const group = (d: LockedDeb) => (d.roles.includes("tools") ? 0 : (groups.get(d.sha256) ?? 0));
  const file = (d: LockedDeb): DebFile => ({ path: pathOfDeb(c, p, d), sha256: d.sha256, label: basename(d.filename), group: group(d) });
  const first = firstOfGroups(p);
  const later = (d: LockedDeb) => (first.has(d.sha256) ? 0 : 1);
  const locked = [...p.lock.debs].sort((a, b) => group(a) - group(b) || later(a) - later(b) || b.size - a.size);
  return [...locked.map(file), ...p.local.map((l) => ({ ...l.file, group: groups.get(l.file.sha256) ?? 0 }))];
}
