// The packages of an image in the groups that they are installed in, and what each package is made of.
import { statSync } from "node:fs";
import { parseRelations } from "../deb/dependency.ts";
import type { Ingredient } from "../layers/inputs.ts";
import { hashOf } from "../layers/shelf.ts";
import { askedBy, inGroups } from "../plan/groups.ts";
import type { PlannedScriptlet } from "../plan/plan.ts";
import type { Prepared } from "../prepare.ts";
import { essentialFirst, likelyFirst, type DebToInstall } from "../rootfs/configure.ts";

/** A package as the lock or the project knows it. */
export interface Deb extends Ingredient {
  readonly deb: DebToInstall["deb"];
  readonly name: string;
  /** Bytes of the .deb. */
  readonly size: number;
  readonly fields: Readonly<Record<string, string | undefined>>;
}

export interface Group {
  readonly name: string;
  readonly debs: readonly Deb[];
  readonly scriptlets: readonly PlannedScriptlet[];
}

const known = new WeakMap<Prepared, readonly Group[]>();

/** The essential packages, then the others as the plan groups them. */
export function groupsOf(p: Prepared): readonly Group[] {
  if (!known.has(p)) known.set(p, grouped(p));
  return known.get(p)!;
}

function grouped(p: Prepared): Group[] {
  const locked: Deb[] = p.lock.debs.filter((d) => d.roles.includes("image")).map((deb) => ({ deb, name: deb.name, version: deb.version, sha256: deb.sha256, size: deb.size, fields: deb.fields }));
  const local: Deb[] = p.local.map((l) => ({ deb: l.info, name: l.info.name, version: l.info.version, sha256: l.file.sha256, size: statSync(l.file.path).size, fields: l.info.fields }));
  const { first, rest } = essentialFirst([...locked, ...local]);
  const specs = new Map(p.local.map((l) => [l.info.spec, l.info.name]));
  const later = inGroups({ plan: p.plan, debs: rest, begins: p.lock.groups ?? [], asked: askedBy(p.plan, p.lock.patterns, specs) });
  return [
    { name: "essential packages", debs: first, scriptlets: [] },
    ...later.filter((g, i) => i === 0 || g.debs.length > 0 || g.scriptlets.some((s) => s.before.length > 0)).map((g, i) => ({ name: `packages ${i + 1}`, ...g })),
  ];
}

/** SHA-256 of packages that others of their group may wait for. */
export function firstOfGroups(p: Prepared): ReadonlySet<string> {
  const all = groupsOf(p).map((g) => g.debs);
  return new Set(all.slice(1).flatMap((debs, i) => likelyFirst(debs, all.slice(0, i + 1).flat())).map((d) => d.sha256));
}

/** What a package and all that it needs are made of. */
export function identities(p: Prepared): (name: string) => string {
  let known: ((name: string) => string) | undefined;
  return (name) => (known ??= identitiesOf(groupsOf(p).flatMap((g) => g.debs)))(name);
}

function identitiesOf(debs: readonly Deb[]): (name: string) => string {
  const providers = new Map<string, Deb[]>();
  const add = (name: string, d: Deb) => providers.set(name, [...(providers.get(name) ?? []), d]);
  for (const d of debs) {
    add(d.name, d);
    for (const [p] of parseRelations(d.fields.Provides ?? "")) add(p!.name, d);
  }
  const needs = (d: Deb) => ["Pre-Depends", "Depends"].flatMap((f) => parseRelations(d.fields[f] ?? "")).flatMap((or) => or.flatMap((a) => providers.get(a.name) ?? []));
  const essential = debs.filter((d) => d.fields.Essential === "yes");
  return (name) => {
    const all = new Set([...(providers.get(name) ?? []), ...essential]);
    for (const d of all) for (const n of needs(d)) all.add(n);
    return hashOf([...all].map((d) => d.sha256).sort());
  };
}
