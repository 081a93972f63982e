// Packages in groups, each installed on top of those before it: first the Essential ones with all that they need, then the rest
// in the order in which scriptlets ask for them. What belongs to late scriptlets, where work goes on, is in small groups at the
// end, so that one package more does not have all of them configured again.
//
// Where groups begin is kept in the lock: cut anew for each build, one package more could move the cut and everything with it.
import { parseRelations } from "../deb/dependency.ts";
import type { KeptFields } from "../deb/kept.ts";
import type { Plan, PlannedScriptlet } from "./plan.ts";

export interface Grouped<D> {
  /** In the order of the plan. */
  readonly scriptlets: readonly PlannedScriptlet[];
  readonly debs: readonly D[];
}

/** What is known of a package before it is unpacked. */
interface Named {
  readonly name: string;
  readonly fields: KeptFields;
}

/** Shares of the packages that come before the second group, and before the third. */
const cuts = [0.75, 0.94];

/** Fewer packages than this are one group. */
const fewest = 40;

/** The scriptlets that begin the second group and the following ones: those of the lock, if the plan still has them. */
export function groupBegins(plan: Plan, locked: readonly string[] | undefined, asks: readonly number[]): string[] {
  const names = plan.scriptlets.map((s) => s.name);
  if (locked && locked.every((name) => names.includes(name))) return [...locked];
  if (asks.length < fewest) return [];
  const sorted = [...asks].sort((a, b) => a - b);
  const begins = cuts.map((share) => names[(sorted[Math.floor(sorted.length * share)] ?? -1) + 1]);
  return [...new Set(begins.filter((name) => name !== undefined))];
}

/** Index of the first scriptlet that asks for each package; of the first of all where none does. */
export function askedBy(plan: Plan, patterns: ReadonlyMap<string, string>, local: ReadonlyMap<string, string>): (name: string) => number {
  const first = new Map<string, number>();
  plan.scriptlets.forEach((s, i) => {
    for (const d of s.debs) {
      const name = d.kind === "name" ? d.name : d.kind === "pattern" ? patterns.get(d.spec) : local.get(d.spec);
      if (name !== undefined && !first.has(name)) first.set(name, i);
    }
  });
  return (name) => first.get(name) ?? 0;
}

/** `debs` and the scriptlets in groups; what a package needs is in its group or in one before it. */
export function inGroups<D extends Named>(o: { plan: Plan; debs: readonly D[]; begins: readonly string[]; asked: (name: string) => number }): Grouped<D>[] {
  const { scriptlets } = o.plan;
  const starts = o.begins.map((name) => scriptlets.findIndex((s) => s.name === name)).sort((a, b) => a - b);
  const groupAt = (index: number) => starts.filter((start) => start <= index).length;
  const group = new Map(o.debs.map((d) => [d.name, groupAt(o.asked(d.name))]));
  pullDown(o.debs, group);
  return [0, ...starts].map((_, g) => ({
    scriptlets: scriptlets.filter((_s, i) => groupAt(i) === g),
    debs: o.debs.filter((d) => group.get(d.name) === g),
  }));
}

/** Packages that are needed in an earlier group than that of their scriptlet go there. */
function pullDown(debs: readonly Named[], group: Map<string, number>): void {
  const providers = new Map<string, string[]>();
  for (const d of debs) {
    const names = [d.name, ...parseRelations(d.fields.Provides ?? "").map(([p]) => p!.name)];
    for (const name of names) providers.set(name, [...(providers.get(name) ?? []), d.name]);
  }
  const needs = new Map(debs.map((d) => {
    const relations = [...parseRelations(d.fields["Pre-Depends"] ?? ""), ...parseRelations(d.fields.Depends ?? "")];
    return [d.name, relations.map((or) => or.flatMap((a) => providers.get(a.name) ?? []))] as const;
  }));
  for (let changed = true; changed; ) {
    changed = false;
    for (const [name, all] of needs) {
      const own = group.get(name)!;
      // One of the alternatives is enough; the earliest of them is taken.
      for (const or of all) {
        if (or.length === 0 || or.some((n) => group.get(n)! <= own)) continue;
        const nearest = or.reduce((a, b) => (group.get(b)! < group.get(a)! ? b : a));
        group.set(nearest, own);
        changed = true;
      }
    }
  }
}
