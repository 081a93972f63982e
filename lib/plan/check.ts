// Proves the planned packages complete and consistent, as dpkg and apt would see them installed together: from the lock and the
// .debs of the project alone. Whatever is wrong is found in one pass, each with the line that said it and the line to add.
import type { Archives } from "../archive.ts";
import { formatAlternative, parseRelations, type Alternative } from "../deb/dependency.ts";
import { UserError, type Where } from "../errors.ts";
import { formatWhere } from "../format.ts";
import type { KeptFields } from "../deb/kept.ts";
import type { Lock } from "../lock.ts";
import { choose, PackageSet, type Clash } from "./closure.ts";
import { knownScriptlets, scriptletFor, type Known } from "./known.ts";
import type { Plan } from "./plan.ts";

/** A .deb of the project's own: `./x.deb`, or what buildDeb() makes. */
export interface LocalDebInfo {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** Of its control file. */
  readonly fields: KeptFields;
  /** As the scriptlet said it. */
  readonly spec: string;
  readonly where: Where;
}

export interface CheckOptions {
  readonly plan: Plan;
  readonly lock: Lock;
  readonly local: readonly LocalDebInfo[];
  /** For better hints only. */
  readonly archives?: Archives | undefined;
  /** What scriptlets install that are not planned (default: those of the project, read when there is something to suggest). */
  readonly known?: Known | undefined;
}

interface Member {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly fields: KeptFields;
  readonly where: Where;
  readonly local: boolean;
}

/** Every problem, in the order of the plan. */
export function proveSet(o: CheckOptions): UserError[] {
  const context = contextOf(o);
  return [...wrongArchitectures(context), ...duplicates(context), ...missing(context), ...clashes(context)];
}

/** Names of packages that are not as they say they must be; for comparing with another prover. */
export function brokenPackages(o: CheckOptions): string[] {
  const c = contextOf(o);
  const names = [...unmetOf(c).map((u) => u.by.name), ...c.members.flatMap((m) => c.set.clashesOf(m)).map((clash) => clash.deb.name)];
  return [...new Set(names)].sort();
}

function contextOf(o: CheckOptions): Context {
  const members = membersOf(o);
  return { ...o, set: new PackageSet<Member>(o.lock.arch, members), members, suggest: suggester(o, members) };
}

interface Context extends CheckOptions {
  readonly set: PackageSet<Member>;
  readonly members: readonly Member[];
  readonly suggest: (alternatives: readonly Alternative[], by: Member) => Suggestion;
}

/** What to add, and the line that adds it. */
interface Suggestion {
  readonly name: string;
  readonly line: string;
}

function membersOf(o: CheckOptions): Member[] {
  const places = new Map<string, Where>();
  for (const deb of o.plan.scriptlets.flatMap((s) => s.debs)) {
    const name = deb.kind === "name" ? deb.name : deb.kind === "pattern" ? o.lock.patterns.get(deb.spec) : undefined;
    if (name !== undefined && !places.has(name)) places.set(name, deb.where);
  }
  const order = new Map([...places.keys()].map((name, i) => [name, i]));
  const position = (name: string) => order.get(name) ?? order.size;
  const locked = o.lock.debs.filter((d) => d.roles.includes("image")).sort((a, b) => position(a.name) - position(b.name));
  return [
    ...locked.map((d) => ({ ...d, where: places.get(d.name) ?? { file: o.plan.conf.file }, local: false })),
    ...o.local.map((d) => ({ ...d, local: true })),
  ];
}

function wrongArchitectures({ members, lock }: Context): UserError[] {
  return members
    .filter((m) => m.arch !== "all" && m.arch !== lock.arch)
    .map((m) => new UserError("check.wrong-arch", `\`${m.name}\` is for \`${m.arch}\`, and the image is for \`${lock.arch}\``, { where: m.where }));
}

function duplicates({ members }: Context): UserError[] {
  const first = new Map<string, Member>();
  return members.flatMap((m) => {
    const other = first.get(m.name);
    if (!other) return first.set(m.name, m), [];
    return [new UserError("check.twice", `\`${m.name}\` would be installed twice, as \`${other.version}\` and as \`${m.version}\``, { where: m.where, details: `the other: ${formatWhere(other.where)}`, hint: "take one of them out" })];
  });
}

// ── Depends and Pre-Depends ────────────────────────────────────────────────────────────────────────────────────────

interface Unmet {
  readonly by: Member;
  readonly field: "Depends" | "Pre-Depends";
  readonly alternatives: readonly Alternative[];
}

function unmetOf({ members, set }: Context): Unmet[] {
  return members.flatMap((by) =>
    (["Pre-Depends", "Depends"] as const).flatMap((field) =>
      parseRelations(by.fields[field] ?? "")
        .filter((alternatives) => !alternatives.some((a) => set.meets(a)))
        .map((alternatives) => ({ by, field, alternatives }))));
}

/** One error per package to add or to move, whoever wants it. */
function missing(c: Context): UserError[] {
  const groups = new Map<string, { first: Unmet; others: Unmet[]; make: (first: Unmet, others: readonly Unmet[]) => UserError }>();
  for (const unmet of unmetOf(c)) {
    const present = presentOf(unmet.alternatives, c);
    const suggestion = present ? undefined : c.suggest(unmet.alternatives, unmet.by);
    const key = present ? `version ${present.name}` : `missing ${suggestion!.name}`;
    const group = groups.get(key);
    if (group) group.others.push(unmet);
    else groups.set(key, { first: unmet, others: [], make: (f, others) => (present ? wrongVersion(f, others, present) : missingError(f, others, suggestion!.line)) });
  }
  return [...groups.values()].map(({ first, others, make }) => make(first, others));
}

/** A member that is meant by one of the alternatives, and does not meet it. */
function presentOf(alternatives: readonly Alternative[], { set }: Context): Member | undefined {
  for (const a of alternatives) {
    const found = set.named(a.name).find((m) => m.name === a.name) ?? set.named(a.name)[0];
    if (found) return found;
  }
  return undefined;
}

function missingError(first: Unmet, others: readonly Unmet[], line: string): UserError {
  return new UserError("check.missing", `${subject(first)}, which no scriptlet installs`, { where: first.by.where, details: alsoBy(others), hint: line });
}

function wrongVersion(first: Unmet, others: readonly Unmet[], present: Member): UserError {
  const meant = first.alternatives.find((a) => a.name === present.name);
  const moves = `debcast update ${[present.name, ...(first.by.local ? [] : [first.by.name])].join(" ")}`;
  const why = meant?.arch === "any" && !meant.op ? "does not allow `:any`" : `${meant ? "is" : `provides that only as`} \`${present.version}\``;
  return new UserError("check.version", `${subject(first)}, and \`${present.name}\` in the plan ${why}`, {
    where: first.by.where,
    details: alsoBy(others),
    hint: present.local ? `see ${formatWhere(present.where)}` : meant?.op || !meant ? moves : undefined,
  });
}

function subject(u: Unmet): string {
  return `\`${u.by.name}\` ${u.field === "Depends" ? "depends" : "pre-depends"} on \`${u.alternatives.map(formatAlternative).join(" | ")}\``;
}

function alsoBy(others: readonly Unmet[]): string | undefined {
  const lines = others.slice(0, 5).map((u) => `so does ${subject(u).replace(/^(`[^`]+`) \S+ on/, "$1 on")}: ${formatWhere(u.by.where)}`);
  if (others.length > lines.length) lines.push(`and ${others.length - lines.length} more`);
  return lines.join("\n") || undefined;
}

// ── Conflicts and Breaks ───────────────────────────────────────────────────────────────────────────────────────────

function clashes({ members, set }: Context): UserError[] {
  const seen = new Set<string>();
  return members.flatMap((m) => set.clashesOf(m)).flatMap((clash) => {
    const pair = [clash.deb.name, clash.other.name].sort().join(" ");
    if (seen.has(pair)) return [];
    seen.add(pair);
    return [clashError(clash)];
  });
}

function clashError({ deb, field, relation, other }: Clash<Member>): UserError {
  const verb = field === "Breaks" ? "breaks" : "conflicts with";
  const as = other.name === relation.name ? "" : `, as which \`${other.name}\` counts`;
  const versioned = relation.op && (relation.op.startsWith("<") || relation.op === "=");
  return new UserError("check.conflict", `\`${deb.name}\` ${verb} \`${formatAlternative(relation)}\`${as}, and both are in the plan`, {
    where: deb.where,
    details: `\`${other.name}\` ${other.version}: ${formatWhere(other.where)}`,
    hint: versioned && !other.local ? `debcast update ${other.name}\nor take one of the two out` : "take one of the two out",
  });
}

// ── Suggestions ────────────────────────────────────────────────────────────────────────────────────────────────────

function suggester(o: CheckOptions, members: readonly Member[]): Context["suggest"] {
  const planned = new Set(o.plan.scriptlets.map((s) => s.name));
  const present = new Set(members.map((m) => m.name));
  let known: Known | undefined = o.known;
  return (alternatives, by) => {
    known ??= knownScriptlets(o.plan.project);
    const chosen = o.archives && choose(alternatives, { source: o.archives, native: o.lock.arch })?.name;
    const names = chosen === undefined ? alternatives.map((a) => a.name) : [chosen];
    for (const name of names) {
      // A package and its data: nobody who lacks a library of sound wants the Bluetooth daemon that brings it.
      const accept = (s: { packages: readonly string[] }) => s.packages.filter((p) => !present.has(p)).length <= 2;
      const q = { known, asking: by.where.scriptlet, except: planned, accept };
      const scriptlet = scriptletFor(name, q);
      if (scriptlet) return { name, line: `need("${scriptlet.name}");` };
    }
    return { name: names[0]!, line: `installDeb("${names[0]}");` };
  };
}
