// From a conf to a proved lock: what every verb does before it acts. Touches the network only when the lock does not say
// enough, and writes nothing but the lock.
import { openArchives, type Archives } from "./archive.ts";
import { loadConf } from "./conf.ts";
import { UserError, throwAll } from "./errors.ts";
import { stage } from "./events.ts";
import { formatCount } from "./format.ts";
import { epochOf, readLock, writeLock, type Lock, type LockedArchive } from "./lock.ts";
import { proveSet, type CheckOptions } from "./plan/check.ts";
import { loadPlan } from "./plan/load.ts";
import { writeGenerated } from "./plan/names.ts";
import type { Conf, Plan } from "./plan/plan.ts";
import { resolve, type Change } from "./plan/resolve.ts";
import { localDebs, type LocalDeb } from "./localdebs.ts";
import { openSecrets, type Secrets } from "./secrets.ts";
import type { Context } from "./verbs/verb.ts";

export interface Loaded {
  readonly conf: Conf;
  readonly plan: Plan;
  readonly secrets: Secrets;
  /** Only what puts their values into a tree refuses to go on without them. */
  readonly missingSecrets: readonly UserError[];
}

export interface Prepared extends Loaded {
  readonly lock: Lock;
  readonly lockFile: string;
  readonly changes: readonly Change[];
  readonly local: readonly LocalDeb[];
  /** SOURCE_DATE_EPOCH of the build. */
  readonly epoch: number;
}

/** Loads conf and scriptlets. `only` plans these scriptlets instead of the conf's. */
export async function load(c: Context, only?: readonly string[]): Promise<Loaded> {
  return stage(c.emit, "load", async () => {
    const conf = await loadConf(c.project, c.conf);
    await writeGenerated(c.project);
    const plan = await loadPlan(c.project, only ? { ...conf, scriptlets: only as Conf["scriptlets"] } : conf, { partial: only !== undefined });
    const secrets = openSecrets(c.project, process.env);
    c.setMask(secrets.mask);
    // Looked up by every verb: what is not known cannot be masked.
    const missingSecrets = secrets.missing(plan.scriptlets.flatMap((s) => s.secrets.map((name) => ({ name, where: { file: s.file, scriptlet: s.name } }))));
    return { conf, plan, secrets, missingSecrets };
  }, ({ plan }) => formatCount(plan.scriptlets.length, "scriptlet"));
}

export interface PrepareOptions {
  /** Packages to move to the archive's present state. */
  readonly update?: readonly string[] | "all";
  /** Plans these scriptlets instead of the conf's, and leaves the lock file as it is. */
  readonly only?: readonly string[];
}

/** Loads, locks and proves; writes the lock when it changed. */
export async function prepare(c: Context, o: PrepareOptions = {}): Promise<Prepared> {
  const loaded = await load(c, o.only);
  const lockFile = lockFileOf(loaded.conf);
  const before = readLock(lockFile);
  const { lock, changes } = await stage(c.emit, "lock", () => resolveLock(c, loaded, before, o));
  const epoch = epochOf(lock);
  const local = await localDebs({ project: c.project, plan: loaded.plan, epoch });
  await stage(c.emit, "check", () => prove(c, { plan: loaded.plan, lock, local: local.map((l) => l.info) }),
    () => `${formatCount(lock.debs.filter((d) => d.roles.includes("image")).length + local.length, "package")}, nothing missing`);
  if (!o.only && !c.locked && writeLock(lockFile, lock)) await writeGenerated(c.project);
  return { ...loaded, lock, lockFile, changes, local, epoch };
}

/** The lock alone proves it; what the archive has is looked at only for better hints. */
async function prove(c: Context, set: CheckOptions): Promise<void> {
  if (proveSet(set).length === 0) return;
  const archives = await archivesOf(c, set.plan.conf, set.lock.archives).catch(() => undefined);
  throwAll(withShortcut(proveSet({ ...set, archives }), set.plan));
}

/** Nobody pastes forty lines one by one: where much is missing, the command that writes them all. */
function withShortcut(found: readonly UserError[], plan: Plan): readonly UserError[] {
  const missing = found.filter((e) => e.code === "check.missing");
  const last = missing.at(-1);
  const scriptlet = plan.scriptlets.find((s) => s.name === last?.where?.scriptlet);
  if (missing.length < 4 || !last || !scriptlet) return found;
  const lines = new Set(missing.filter((e) => e.where?.scriptlet === scriptlet.name).map((e) => e.where?.line));
  const names = scriptlet.debs.flatMap((d) => (d.kind === "name" && lines.has(d.where.line) ? [d.name] : []));
  const hint = `${last.hint}\n\nor all at once, with what they need in turn:\ndebcast deps ${names.join(" ")} --write ${scriptlet.name}`;
  return found.map((e) => (e === last ? new UserError(e.code, e.message, { where: e.where, details: e.details, hint }) : e));
}

/** conf/NAME.lock of the project: beside conf/NAME.ts, unless that came with debcast. */
export function lockFileOf(conf: Conf): string {
  return conf.lockFile ?? conf.file.replace(/\.ts$/, ".lock");
}

/** The package archives that `lock` was made from, or as they are now. */
export function archivesOf(c: Context, conf: Conf, state?: readonly LockedArchive[]): Promise<Archives> {
  return openArchives({ project: c.project, conf, mirrors: c.mirrors, emit: c.emit, ...(state && { state }) });
}

async function resolveLock(c: Context, { conf, plan }: Loaded, before: Lock | undefined, o: PrepareOptions) {
  if (c.locked && !before) throw new UserError("lock.absent", `\`${conf.name}\` has no lock, and --locked may not make one`, { where: { file: lockFileOf(conf) }, hint: "debcast lock\nand commit what it writes" });
  const state = o.update || !before ? undefined : before.archives;
  let archives: Promise<Archives> | undefined;
  return resolve({
    plan,
    ...(before && { lock: before }),
    archives: () => (archives ??= archivesOf(c, conf, state)),
    locked: c.locked,
    ...(o.update && { update: o.update as string[] | "all" }),
  });
}
