// The pipeline, a line per stage: read this first. A proved lock goes in, image/NAME/ comes out.
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openBuildLog, type BuildLog } from "./buildlog.ts";
import { downloadPath } from "./cache.ts";
import { UserError, throwAll, type Where } from "./errors.ts";
import { stage } from "./events.ts";
import { formatBytes, formatCount } from "./format.ts";
import { gather, pathOfDeb } from "./gather.ts";
import { writeLock, type Ledger, type LockedDeb } from "./lock.ts";
import { writeMade, type Made } from "./made.ts";
import { checkTypes } from "./plan/types.ts";
import type { PlannedScriptlet } from "./plan/plan.ts";
import type { Prepared } from "./prepare.ts";
import { installPackages, type DebToInstall } from "./rootfs/configure.ts";
import { clean, gates } from "./rootfs/hygiene.ts";
import { applyLedger, pinned } from "./rootfs/ledger.ts";
import { settle } from "./rootfs/settle.ts";
import { runScriptlets, type Phase } from "./rootfs/steps.ts";
import { ensureTools } from "./rootfs/tools.ts";
import { clampMtimes, measure, removeTree } from "./rootfs/tree.ts";
import type { Sandbox } from "./sandbox.ts";
import { openStore, type DebFile, type Store } from "./store/store.ts";
import type { Context } from "./verbs/verb.ts";

export interface Built {
  /** Absolute path of image/NAME/. */
  readonly image: string;
  readonly bytes: number;
  readonly paths: number;
}

/** What the stages share. */
export interface Works {
  readonly c: Context;
  readonly p: Prepared;
  /** The tree that is being made. */
  readonly root: string;
  readonly store: Store;
  readonly sandbox: Sandbox;
  readonly log: BuildLog;
  /** What steps of scriptlets made, so far. */
  readonly made: Made[];
  readonly ids: { ledger: Ledger };
  /** Around the run() of each scriptlet, for `try`. */
  readonly around?: (scriptlet: PlannedScriptlet, work: () => Promise<void>) => Promise<void>;
}

/** Makes the whole image at `out`. On failure the tree stays for `shell --failed`, and what was at `out` is untouched. */
export async function buildImage(c: Context, p: Prepared, out: string): Promise<Built> {
  const w = await openWorks(c, p, join(dirname(out), `.${p.conf.name}.new`));
  try {
    await install(w);
    await runAll(w);
    await finish(w);
  } catch (e) {
    await keepFailed(w);
    throw e;
  } finally {
    await w.store.close();
  }
  await publish(w, out);
  return { image: out, ...(await measure(out)) };
}

/** Everything fetched, types checked, the store being filled, and an empty tree. */
export async function openWorks(c: Context, p: Prepared, root: string, around?: Works["around"]): Promise<Works> {
  throwAll(p.missingSecrets);
  await fetchAndCheckTypes(c, p);
  const log = openBuildLog(c.project, basename(root).replace(/^\.|\.new$/g, ""), { mask: p.secrets.mask, ...(c.verbose && { echo: (text) => c.emit({ type: "note", text }) }) });
  await removeTree(root);
  mkdirSync(root, { recursive: true });
  const store = openStore({ dir: join(c.project.downloads, "store"), debs: debFiles(c, p), emit: c.emit, cache: c.cache });
  const tools = { dir: join(c.project.downloads, "tools"), lock: p.lock, store, emit: c.emit, epoch: p.epoch, cache: c.cache };
  const sandbox = await stage(c.emit, "tools", () => ensureTools(tools)).catch(async (e: unknown) => {
    await store.close();
    throw e;
  });
  return { c, p, root, store, sandbox, log, made: [], ids: { ledger: pinned(p.lock.ledger, p.conf.users) }, ...(around && { around }) };
}

/** A type error stops the build while it fetches, before anything is unpacked. */
async function fetchAndCheckTypes(c: Context, p: Prepared): Promise<void> {
  const [fetched, typed] = await Promise.allSettled([
    stage(c.emit, "fetch", () => gather(c, p), (r) => (r.fetched === 0 ? `${formatCount(r.present, "file")} in the cache` : `${formatCount(r.fetched, "file")}, ${formatBytes(r.bytes)}`)),
    stage(c.emit, "types", () => checkTypes(c.project)),
  ]);
  for (const r of [typed, fetched]) if (r.status === "rejected") throw r.reason;
}

/** Every package unpacked and configured, with the ids of the ledger. */
export async function install(w: Works): Promise<void> {
  const { c, p, root, log, sandbox } = w;
  const image = debsToInstall(w);
  await stage(c.emit, "configure", () =>
    installPackages({
      root, sandbox, debs: image, arch: p.lock.arch, epoch: p.epoch, emit: c.emit,
      excludes: excludesOf(p),
      preseed: p.plan.scriptlets.flatMap((s) => s.debconf.map((d) => d.text)),
      log: (name, text) => log.write("package", name, text),
      before: () => runPhase(w, "before"),
      whereOf: (name) => p.local.find((l) => l.info.name === name)?.info.where ?? whereAsked(p, name),
    }), () => formatCount(image.length, "package"));
  await settleIds(w);
}

/** What the scriptlets do, then what depends on the whole tree. */
export async function runAll(w: Works): Promise<void> {
  const { c, p, root, sandbox, log, made } = w;
  await stage(c.emit, "run", () => runPhase(w, "run"));
  await stage(c.emit, "settle", () => settle({ root, sandbox, made, epoch: p.epoch, emit: c.emit, log: (name, text) => log.write("stage", name, text) }));
  await settleIds(w);
}

/** Trims, cleans, and proves that nothing of the build is left. */
export async function finish(w: Works): Promise<void> {
  const { c, p, root, sandbox } = w;
  await stage(c.emit, "finish", async () => {
    await runPhase(w, "runLast");
    await clean(root, { epoch: p.epoch });
    await clampMtimes(root, p.epoch);
    throwAll(await gates(root, { sandbox, excludes: excludesOf(p), epoch: p.epoch, made: w.made.map((m) => m.path) }));
  });
}

/** The new tree takes the place of the old one; only then does the lock learn of new ids. */
async function publish(w: Works, out: string): Promise<void> {
  const old = join(dirname(out), `.${w.p.conf.name}.old`);
  await removeTree(old);
  if (existsSync(out)) renameSync(out, old);
  renameSync(w.root, out);
  writeMade(w.c.project, w.p.conf.name, w.made);
  if (!w.c.locked) writeLock(w.p.lockFile, { ...w.p.lock, ledger: w.ids.ledger });
  await removeTree(old);
  await removeTree(failedTree(w.root));
}

async function keepFailed(w: Works): Promise<void> {
  const failed = failedTree(w.root);
  await removeTree(failed);
  renameSync(w.root, failed);
}

/** Where the tree of a failed build waits for `shell --failed`. */
export function failedTree(newTree: string): string {
  return newTree.replace(/\.new$/, ".failed");
}

async function runPhase(w: Works, phase: Phase): Promise<void> {
  const { c, p, root, sandbox, log } = w;
  const made = await runScriptlets({
    plan: p.plan, phase, root, sandbox, secrets: p.secrets, epoch: p.epoch, emit: c.emit,
    downloads: (sha256) => downloadPath(c.project, sha256),
    log: (name, text) => log.write("scriptlet", name, text),
    ...(phase === "run" && w.around && { around: w.around }),
  });
  w.made.push(...made);
}

/** Ids as in the lock. With --locked a name that the lock does not know is refused, for its id would be chance. */
async function settleIds(w: Works): Promise<void> {
  const before = w.ids.ledger;
  w.ids.ledger = await applyLedger(w.root, before, w.sandbox);
  if (!w.c.locked) return;
  const unknown = [...w.ids.ledger.users.keys()].filter((n) => !before.users.has(n)).concat([...w.ids.ledger.groups.keys()].filter((n) => !before.groups.has(n)));
  if (unknown.length === 0) return;
  throw new UserError("lock.ids", `the lock has no ids for ${[...new Set(unknown)].map((n) => `\`${n}\``).join(", ")}`, {
    hint: "`debcast image`, once without --locked, records them; commit the lock",
  });
}

/** The line that names a package of the lock, itself or by a pattern. */
function whereAsked(p: Prepared, name: string): Where | undefined {
  return p.plan.scriptlets.flatMap((s) => s.debs).find((d) => (d.kind === "name" ? d.name : p.lock.patterns.get(d.spec)) === name)?.where;
}

export function excludesOf(p: Prepared): string[] {
  return [...p.conf.excludes, ...p.plan.scriptlets.flatMap((s) => s.excludes.map((e) => e.glob))];
}

/** What the image gets: packages of the lock, then the project's own. They may still be on their way into the store. */
function debsToInstall({ p, store }: Works): DebToInstall[] {
  const locked = p.lock.debs.filter((d) => d.roles.includes("image")).map((deb) => ({ deb, stored: store.get(deb.sha256) }));
  return [...locked, ...p.local.map((l) => ({ deb: l.info, stored: store.get(l.file.sha256) }))];
}

/** Everything for the store, in the order in which it is needed: every program of the image runs in the tools' tree. */
function debFiles(c: Context, p: Prepared): DebFile[] {
  const file = (d: LockedDeb): DebFile => ({ path: pathOfDeb(c, p, d), sha256: d.sha256, label: basename(d.filename) });
  const rank = (d: LockedDeb) => (d.roles.includes("tools") ? 0 : d.fields.Essential === "yes" || d.fields.Priority === "required" ? 1 : 2);
  const locked = [...p.lock.debs].sort((a, b) => rank(a) - rank(b) || b.size - a.size);
  return [...locked.map(file), ...p.local.map((l) => l.file)];
}
