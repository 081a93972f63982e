// Package archives: the suites that an image is made of, as they are now (signature, date and hashes verified), or in the very
// state that a lock recorded, whose indexes are named by their hashes. Indexes that are in downloads/ touch no network.
import { throwAll, UserError } from "./errors.ts";
import type { Emit } from "./events.ts";
import type { LockedArchive } from "./lock.ts";
import type { Conf } from "./plan/plan.ts";
import type { Project } from "./project.ts";
import { compareVersions } from "./deb/version.ts";
import { openIndex, type IndexedDeb, type PackagesIndex } from "./deb/index.ts";
import { ensureIndexes, type IndexItem } from "./archive/indexes.ts";
import { fetchRelease, indexOf, type FreshRelease } from "./archive/release.ts";
import { archiveSpecs, type ArchiveSpec } from "./archive/specs.ts";
import { mirrorsFor } from "./mirrors.ts";

export type { IndexedDeb };

export interface ArchiveOptions {
  readonly project: Project;
  readonly conf: Conf;
  /** URIs given with --mirror. */
  readonly mirrors: readonly string[];
  readonly emit: Emit;
  /** That state, by hash. Archives and components that it lacks are taken as they are now. */
  readonly state?: readonly LockedArchive[] | undefined;
  readonly offline?: boolean | undefined;
  /** Where the host's apt configuration lies; for tests. */
  readonly apt?: string | undefined;
}

export interface Archives {
  readonly archives: readonly LockedArchive[];
  /** Packages of that name for this image's architecture, highest version first; of equals, the one of the first archive. */
  find(name: string, arch?: string): IndexedDeb[];
  /** Packages that provide `name`, in no useful order. */
  providers(name: string): IndexedDeb[];
  /** Names of all real packages; some come twice. */
  names(): Iterable<string>;
  /** The component with `name` that the conf leaves out, for an error. */
  componentOf(name: string): Promise<string | undefined>;
}

export async function openArchives(o: ArchiveOptions): Promise<Archives> {
  const specs = archiveSpecs(o.conf);
  const settled = await Promise.allSettled(specs.map((spec) => locate(spec, o)));
  throwFailed(settled);
  const found = settled.map((s) => (s as PromiseFulfilledResult<Located>).value);
  const files = await ensureIndexes(found.flatMap((f) => f.items), o);
  const indexes = found.flatMap(({ archive, items }) => items.map((i) => openIndex(files.get(i.sha256)!, archive.name)));
  const archives = found.map((f) => f.archive);
  return { archives, ...mergeIndexes(indexes, o.conf.arch), componentOf: (name) => missingComponent(name, found, o) };
}

interface Located {
  readonly spec: ArchiveSpec;
  readonly archive: LockedArchive;
  readonly items: readonly IndexItem[];
  readonly release?: FreshRelease;
}

/** What an archive consists of, from the locked state if that says all, else from its InRelease. */
async function locate(spec: ArchiveSpec, o: ArchiveOptions): Promise<Located> {
  const locked = o.state?.find((a) => a.name === spec.name && a.suite === spec.suite);
  const lacking = spec.components.filter((c) => !locked?.indexes.some((i) => i.path.startsWith(`${c}/`)));
  const kept = (locked?.indexes ?? []).filter((i) => spec.components.some((c) => i.path.startsWith(`${c}/`)));
  const release = lacking.length > 0 ? await fetchRelease(spec, o) : undefined;
  const added = release ? lacking.flatMap((c) => indexOf(release, { component: c, arch: o.conf.arch })) : [];
  const bases = release?.bases ?? mirrorsUnlessOffline(spec, o);
  const archive: LockedArchive = {
    name: spec.name,
    suite: spec.suite,
    components: [...new Set([...(locked?.components ?? []), ...spec.components])],
    date: locked?.date ?? release!.release.date,
    indexes: [...(locked?.indexes ?? []), ...added],
  };
  const item = (locked: boolean) => (i: LockedArchive["indexes"][number]): IndexItem => ({
    ...i, bases, suite: spec.suite, archive: spec.name, locked, byHash: release?.release.acquireByHash ?? true,
  });
  return { spec, archive, items: [...kept.map(item(true)), ...added.map(item(false))], ...(release && { release }) };
}

/** With every index cached no mirror is needed, so that none is known is no error yet. */
function mirrorsUnlessOffline(spec: ArchiveSpec, o: ArchiveOptions): () => string[] {
  return () => (o.offline ? [] : mirrorsFor(spec, o));
}

function throwFailed(settled: readonly PromiseSettledResult<unknown>[]): void {
  const reasons = settled.flatMap((s) => (s.status === "rejected" ? [s.reason as unknown] : []));
  for (const reason of reasons) if (!(reason instanceof UserError)) throw reason;
  // Who reaches no mirror of the first archive hears of that, and not of every other archive in turn.
  const unreachable = (reasons as UserError[]).find((e) => e.code === "fetch.unreachable");
  if (unreachable) {
    const { code, message, details, cause } = unreachable;
    throw new UserError(code, message, { details, cause, hint: "is this machine online? Another mirror is tried first with `--mirror`, or `mirrors: [\"http://mirror.example/debian\"],` in the conf" });
  }
  const distinct = new Map((reasons as UserError[]).map((e) => [`${e.code} ${e.message}`, e]));
  throwAll([...distinct.values()]);
}

/** Several indexes as one, in the order in which they count. */
export function mergeIndexes(indexes: readonly PackagesIndex[], native: string): Pick<Archives, "find" | "providers" | "names"> {
  const fits = (d: IndexedDeb) => d.arch === native || d.arch === "all";
  return {
    // sort() is stable and the indexes are in order: of equal versions the first archive's stays first.
    find: (name, arch) =>
      indexes.flatMap((i) => i.find(name)).filter((d) => (arch === undefined ? fits(d) : d.arch === arch)).sort((a, b) => compareVersions(b.version, a.version)),
    providers: (name) => indexes.flatMap((i) => i.providers(name)).filter(fits),
    *names() {
      for (const i of indexes) yield* i.names();
    },
  };
}

/** Looks into the components that the conf leaves out. Only on the way to an error, so what fails here is not told. */
async function missingComponent(name: string, found: readonly Located[], o: ArchiveOptions): Promise<string | undefined> {
  const third = new Set(o.conf.mirrors.flatMap((m) => (typeof m !== "string" && "name" in m ? [m.name] : [])));
  for (const { spec, release: known } of found.filter((f) => !third.has(f.spec.name))) {
    try {
      const release = known ?? (await fetchRelease(spec, o));
      for (const component of release.release.components.filter((c) => !spec.components.includes(c))) {
        const items = indexOf(release, { component, arch: o.conf.arch }).map((i) => ({
          ...i, bases: release.bases, suite: spec.suite, archive: spec.name, locked: false, byHash: release.release.acquireByHash,
        }));
        const files = await ensureIndexes(items, o);
        if (items.some((i) => openIndex(files.get(i.sha256)!, spec.name).find(name).length > 0)) return component;
      }
    } catch (e) {
      if (!(e instanceof UserError)) throw e;
    }
  }
  return undefined;
}
