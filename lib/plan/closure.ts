// The closure of packages that are wanted for themselves, each dependency chosen as apt would. For the tools tree and for `deps`;
// never for an image, whose packages are named by hand.
import { formatAlternative, parseRelations, provided, satisfies, type Alternative } from "../deb/dependency.ts";
import type { IndexedDeb } from "../deb/index.ts";

/** What the tools tree must have: programs whose bytes reach results, and what the sandbox runs. */
export const toolRoots = [
  "coreutils", "dash", "gzip", "libcap2-bin", "libeatmydata1", "mount", "tar", "util-linux", "xz-utils", "zstd",
  // Disks: table, file systems, boot loader; sed for what they say to each other.
  "dosfstools", "e2fsprogs", "fdisk", "mtools", "sed", "systemd-boot-efi",
] as const;

/** Where candidates come from: an archive, or the packages of a lock. */
export interface Source {
  find(name: string): readonly IndexedDeb[];
  providers(name: string): readonly IndexedDeb[];
}

export interface ClosureOptions {
  readonly roots: readonly IndexedDeb[];
  readonly source: Source;
  readonly native: string;
  /** What is there already and need not be chosen. */
  readonly present?: Iterable<IndexedDeb>;
  /** What is chosen first where there is a choice. */
  readonly prefer?: PackageSet;
  /** Asked before a package is chosen: packages that come along with it by other means, itself among them, or none. */
  readonly cover?: (deb: IndexedDeb) => readonly IndexedDeb[];
}

export interface Closure {
  /** Depth first from each root, dependencies after what depends on them; nothing that was present or covered. */
  readonly chosen: readonly ChosenDeb[];
  readonly unmet: readonly { deb: IndexedDeb; relation: string }[];
}

export interface ChosenDeb {
  readonly deb: IndexedDeb;
  /** What it was chosen for; a root has none. */
  readonly parent?: IndexedDeb;
}

/** Depends and Pre-Depends only: Recommends are never followed. */
export function closure(o: ClosureOptions): Closure {
  const set = new PackageSet(o.native, [...(o.present ?? []), ...o.roots]);
  const chosen = new Map<IndexedDeb, ChosenDeb>();
  const visited = new Set<IndexedDeb>();
  const unmet: { deb: IndexedDeb; relation: string }[] = [];
  const visit = (deb: IndexedDeb) => {
    if (visited.has(deb)) return;
    visited.add(deb);
    for (const alternatives of requirements(deb)) {
      if (alternatives.some((a) => set.meets(a))) continue;
      const next = choose(alternatives, { ...o, set });
      if (!next) {
        unmet.push({ deb, relation: alternatives.map(formatAlternative).join(" | ") });
        continue;
      }
      const covered = o.cover?.(next) ?? [];
      for (const other of covered) set.add(other);
      set.add(next);
      if (covered.length === 0) chosen.set(next, { deb: next, parent: deb });
      // What others say is complete may not be; then the rest is chosen here.
      for (const other of covered) visit(other);
      visit(next);
    }
  };
  for (const root of o.roots) {
    chosen.set(root, { deb: root });
    visit(root);
  }
  return { chosen: [...chosen.values()], unmet };
}

export function requirements(deb: Pick<IndexedDeb, "fields">): Alternative[][] {
  return [...parseRelations(deb.fields["Pre-Depends"] ?? ""), ...parseRelations(deb.fields.Depends ?? "")];
}

interface Choice {
  readonly source: Source;
  readonly native: string;
  readonly prefer?: PackageSet;
  /** What must not conflict with the choice. */
  readonly set?: PackageSet;
}

/** What is preferred, else the first alternative that there is; of several providers the one of highest priority. */
export function choose(alternatives: readonly Alternative[], o: Choice): IndexedDeb | undefined {
  for (const a of alternatives) {
    const preferred = o.prefer?.named(a.name).find((d) => satisfies(a, d, o.native));
    if (preferred) return preferred;
  }
  const fits = (a: Alternative) => (d: IndexedDeb) => satisfies(a, d, o.native) && !o.set?.clashesWith(d);
  for (const a of alternatives) {
    const real = o.source.find(a.name).find(fits(a));
    if (real) return real;
    const [best] = providersOf(a, o).filter(fits(a));
    if (best) return best;
  }
  return undefined;
}

function providersOf(a: Alternative, o: Choice): IndexedDeb[] {
  const newest = (d: IndexedDeb) => o.source.find(d.name)[0] === d;
  return o.source
    .providers(a.name)
    .filter(newest)
    .sort((x, y) => rank(x) - rank(y) || (x.name < y.name ? -1 : x.name > y.name ? 1 : 0));
}

const priorities = ["required", "important", "standard", "optional", "extra"];

function rank(d: IndexedDeb): number {
  const at = priorities.indexOf(d.fields.Priority ?? "optional");
  return at < 0 ? priorities.length : at;
}

export type SetMember = Pick<IndexedDeb, "name" | "version" | "arch" | "fields">;

export interface Clash<D> {
  readonly deb: D;
  readonly field: "Conflicts" | "Breaks";
  readonly relation: Alternative;
  readonly other: D;
}

/** Packages by their names and by what they provide. */
export class PackageSet<D extends SetMember = IndexedDeb> {
  private readonly byName = new Map<string, D[]>();
  private readonly members = new Set<D>();
  /** Members by the names that their Conflicts and Breaks have. */
  private readonly against = new Map<string, D[]>();
  private readonly native: string;

  constructor(native: string, debs: Iterable<D> = []) {
    this.native = native;
    for (const deb of debs) this.add(deb);
  }

  add(deb: D): void {
    if (this.members.has(deb)) return;
    this.members.add(deb);
    for (const name of namesOf(deb)) put(this.byName, name, deb);
    for (const name of new Set(enmities(deb).map((e) => e.relation.name))) put(this.against, name, deb);
  }

  /** Packages of that name, or that provide it. */
  named(name: string): readonly D[] {
    return this.byName.get(name) ?? [];
  }

  meets(a: Alternative): boolean {
    return this.named(a.name).some((d) => satisfies(a, d, this.native));
  }

  /** What of the set `deb` conflicts with, or breaks. A package is never in its own way. */
  clashesOf(deb: D): Clash<D>[] {
    return enmities(deb).flatMap(({ field, relation }) =>
      this.named(relation.name)
        .filter((other) => other.name !== deb.name && satisfies(relation, other, this.native))
        .map((other) => ({ deb, field, relation, other })));
  }

  /** Whether `deb` and any of the set are in each other's way. */
  clashesWith(deb: D): boolean {
    if (this.clashesOf(deb).length > 0) return true;
    const others = [...namesOf(deb)].flatMap((name) => this.against.get(name) ?? []).filter((other) => other.name !== deb.name);
    return others.some((other) => enmities(other).some(({ relation }) => satisfies(relation, deb, this.native)));
  }
}

function namesOf(deb: SetMember): Set<string> {
  return new Set([deb.name, ...provided(deb).map((p) => p.name)]);
}

function enmities(deb: SetMember): { field: "Conflicts" | "Breaks"; relation: Alternative }[] {
  return (["Conflicts", "Breaks"] as const).flatMap((field) => parseRelations(deb.fields[field] ?? "").map((r) => ({ field, relation: r[0]! })));
}

function put<D>(map: Map<string, D[]>, name: string, deb: D): void {
  const list = map.get(name);
  if (list) list.push(deb);
  else map.set(name, [deb]);
}
