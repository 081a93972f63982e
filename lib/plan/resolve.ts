// From what the scriptlets named to exact .debs. An image gets what was named and nothing else; versions stay as the lock has
// them unless they are asked to move; only the tools tree's packages are chosen automatically.
import type { Archives } from "../archive.ts";
import { satisfies } from "../deb/dependency.ts";
import type { IndexedDeb } from "../deb/index.ts";
import { compareVersions } from "../deb/version.ts";
import { nearest, throwAll, UserError } from "../errors.ts";
import type { Lock, LockedArchive, LockedDeb } from "../lock.ts";
import { closure, requirements, toolRoots, type Source } from "./closure.ts";
import { askedBy, groupBegins } from "./groups.ts";
import { changesBetween, refuseChanges, type Change } from "./lockchanges.ts";
import type { Plan, PlannedDeb } from "./plan.ts";
import { unknownPackage } from "./unknown.ts";

export type { Change };

export interface ResolveOptions {
  readonly plan: Plan;
  /** What is there already. */
  readonly lock?: Lock | undefined;
  /** Opened only when something is to be looked for: in the lock's state, or as it is now when updating. */
  readonly archives?: (() => Promise<Archives>) | undefined;
  /** Refuses any change. */
  readonly locked?: boolean | undefined;
  /** Names of packages to move, or all. */
  readonly update?: readonly string[] | "all" | undefined;
}

type Named = Extract<PlannedDeb, { kind: "name" }>;
type Pattern = Extract<PlannedDeb, { kind: "pattern" }>;

export async function resolve(o: ResolveOptions): Promise<{ lock: Lock; changes: Change[] }> {
  const before = usableLock(o);
  const r = new Resolution(o, before);
  await r.names();
  await r.patterns();
  throwAll(r.errors);
  const tools = await r.tools();
  const debs = withRoles([...r.image.values()], tools);
  const asked = askedBy(o.plan, r.matched, new Map());
  const lock: Lock = {
    suite: o.plan.conf.suite,
    arch: o.plan.conf.arch,
    archives: archivesOf(debs, r.opened?.archives ?? [], before?.archives ?? []),
    debs,
    patterns: r.matched,
    ledger: o.lock?.ledger ?? { users: new Map(), groups: new Map() },
    groups: groupBegins(o.plan, o.lock?.groups, [...r.image.values()].map((d) => asked(d.name))),
  };
  const changes = changesBetween(o.lock, lock);
  if (o.locked) refuseChanges(changes, o);
  return { lock, changes };
}

/** A lock of another suite or architecture says nothing about versions; only `update` may replace it. */
function usableLock({ lock, plan: { conf }, update }: ResolveOptions): Lock | undefined {
  if (!lock || update === "all") return undefined;
  if (lock.suite === conf.suite && lock.arch === conf.arch) return checkUpdate(lock, update);
  throw new UserError("lock.other-suite", `the lock is for \`${lock.suite}\` on \`${lock.arch}\`, and the conf for \`${conf.suite}\` on \`${conf.arch}\``, {
    where: { file: conf.file },
    hint: "`debcast update` makes the lock anew",
  });
}

function checkUpdate(lock: Lock, update: readonly string[] | undefined): Lock {
  const names = lock.debs.map((d) => d.name);
  throwAll((update ?? []).filter((name) => !names.includes(name)).map((name) => {
    const near = nearest(name, names);
    return new UserError("update.unknown", `\`${name}\` is not in the lock, so there is nothing to move`, { hint: near && `did you mean \`debcast update ${near}\`?` });
  }));
  return lock;
}

class Resolution {
  readonly image = new Map<string, IndexedDeb>();
  readonly matched = new Map<string, string>();
  readonly errors: UserError[] = [];
  opened: Archives | undefined;
  private readonly o: ResolveOptions;
  private readonly before: Lock | undefined;
  private readonly named: Named[];

  constructor(o: ResolveOptions, before: Lock | undefined) {
    this.o = o;
    this.before = before;
    this.named = o.plan.scriptlets.flatMap((s) => s.debs).filter((d) => d.kind === "name");
  }

  /** Every package that a scriptlet named. */
  async names(): Promise<void> {
    const specs = new Map<string, Named>();
    for (const spec of this.named) {
      const first = specs.get(spec.name);
      if (first?.version !== undefined && spec.version !== undefined && first.version !== spec.version) this.errors.push(twoVersions(first, spec));
      if (!this.refuseArch(spec) && (!first || first.version === undefined)) specs.set(spec.name, spec);
    }
    const missing = [...specs.values()].filter((spec) => !this.keep(spec));
    if (missing.length === 0) return;
    const archives = await this.open(missing.map((m) => m.spec));
    for (const spec of missing) {
      const deb = archives.find(spec.name).find((d) => spec.version === undefined || compareVersions(d.version, spec.version) === 0);
      if (deb) this.image.set(spec.name, deb);
      else this.errors.push(await unknownPackage(spec, { archives, conf: this.o.plan.conf }));
    }
  }

  /** Patterns stand for a dependency of what is planned, so those of one another's matches too. */
  async patterns(): Promise<void> {
    const patterns = new Map(this.o.plan.scriptlets.flatMap((s) => s.debs).flatMap((d) => (d.kind === "pattern" ? [[d.spec, d] as const] : [])));
    for (let progress = true; progress && patterns.size > 0; ) {
      progress = false;
      for (const [spec, pattern] of patterns) {
        const names = this.matches(spec);
        if (names.length !== 1) continue;
        patterns.delete(spec);
        progress = true;
        await this.match(pattern, names[0]!);
      }
    }
    // A package that was not found would be a reason of its own for a pattern without a match.
    if (this.errors.length === 0) for (const [spec, pattern] of patterns) this.errors.push(patternError(pattern, this.matches(spec)));
  }

  /** The locked packages of the tools tree while they are complete, else chosen again. */
  async tools(): Promise<IndexedDeb[]> {
    const locked = (this.before?.debs ?? []).filter((d) => d.roles.includes("tools") && !this.moves(d.name));
    const fromLock = chooseTools(listSource(locked), this.o.plan.conf.arch);
    if (fromLock) return fromLock;
    const archives = await this.open(["the tools of the build"]);
    const preferred = (found: readonly IndexedDeb[], name: string) => [...locked.filter((d) => d.name === name), ...found];
    const chosen = chooseTools({ find: (name) => preferred(archives.find(name), name), providers: (name) => archives.providers(name) }, this.o.plan.conf.arch);
    if (chosen) return chosen;
    throw new UserError("resolve.tools", `the archive lacks what the build itself needs: ${toolRoots.filter((n) => archives.find(n).length === 0).join(", ") || "the tools' dependencies"}`);
  }

  private async match(pattern: Pattern, name: string): Promise<void> {
    this.matched.set(pattern.spec, name);
    const fits = (d: IndexedDeb) => this.relationsOn(name).every((a) => satisfies(a, d, this.o.plan.conf.arch));
    const kept = this.lockedDeb(name);
    const deb = kept && fits(kept) ? kept : (await this.open([pattern.spec])).find(name).find(fits);
    if (deb) this.image.set(name, deb);
    else this.errors.push(new UserError("resolve.pattern-gone", `\`${pattern.spec}\` stands for \`${name}\`, which the archive does not have`, { where: pattern.where, hint: "debcast update" }));
  }

  private matches(spec: string): string[] {
    const glob = new RegExp(`^${spec.split("*").map((s) => s.replace(/[.+]/g, "\\$&")).join(".*").replaceAll("?", ".")}$`);
    const said = new Set(this.named.map((d) => d.name));
    const names = [...this.image.values()].flatMap((d) => requirements(d).flat()).map((a) => a.name);
    return [...new Set(names)].filter((n) => glob.test(n) && !said.has(n)).sort();
  }

  private relationsOn(name: string) {
    return [...this.image.values()].flatMap((d) => requirements(d)).filter((r) => r.length === 1 && r[0]!.name === name).map((r) => r[0]!);
  }

  private keep(spec: Named): boolean {
    const deb = this.lockedDeb(spec.name);
    if (!deb || (spec.version !== undefined && compareVersions(deb.version, spec.version) !== 0)) return false;
    this.image.set(spec.name, deb);
    return true;
  }

  private lockedDeb(name: string): LockedDeb | undefined {
    if (this.moves(name)) return undefined;
    const debs = (this.before?.debs ?? []).filter((d) => d.name === name);
    return debs.find((d) => d.roles.includes("image")) ?? debs[0];
  }

  private moves(name: string): boolean {
    return this.o.update !== undefined && (this.o.update === "all" || this.o.update.includes(name));
  }

  private refuseArch(spec: Named): boolean {
    const { arch } = this.o.plan.conf;
    if (spec.arch === undefined || spec.arch === arch || spec.arch === "all") return false;
    this.errors.push(new UserError("resolve.wrong-arch", `\`${spec.spec}\` is for \`${spec.arch}\`, and the image is for \`${arch}\``, { where: spec.where, hint: `installDeb("${spec.name}");` }));
    return true;
  }

  private async open(for_: readonly string[]): Promise<Archives> {
    if (this.opened) return this.opened;
    if (this.o.locked) refuseChanges(for_.map((name) => ({ name })), this.o);
    if (!this.o.archives) throw new Error("resolve() needs archives");
    return (this.opened = await this.o.archives());
  }
}

function chooseTools(source: Source, native: string): IndexedDeb[] | undefined {
  const roots = toolRoots.flatMap((name) => source.find(name).slice(0, 1));
  if (roots.length < toolRoots.length) return undefined;
  const { chosen, unmet } = closure({ roots, source, native });
  return unmet.length > 0 ? undefined : chosen.map((c) => c.deb);
}

function listSource(debs: readonly IndexedDeb[]): Source {
  return { find: (name) => debs.filter((d) => d.name === name), providers: () => debs };
}

function withRoles(image: readonly IndexedDeb[], tools: readonly IndexedDeb[]): LockedDeb[] {
  const all = new Map<string, LockedDeb>();
  const add = (role: LockedDeb["roles"][number]) => (d: IndexedDeb) => {
    const key = `${d.name} ${d.arch} ${d.version}`;
    const { name, version, arch, archive, filename, size, sha256, fields } = all.get(key) ?? d;
    all.set(key, { name, version, arch, archive, filename, size, sha256, fields, roles: [...(all.get(key)?.roles ?? []), role] });
  };
  image.forEach(add("image"));
  tools.forEach(add("tools"));
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, deb]) => deb);
}

/** Those opened, and older ones that a package that stayed came from. */
function archivesOf(debs: readonly LockedDeb[], opened: readonly LockedArchive[], before: readonly LockedArchive[]): LockedArchive[] {
  if (opened.length === 0) return [...before];
  const names = new Set(debs.map((d) => d.archive));
  return [...opened, ...before.filter((a) => names.has(a.name) && !opened.some((x) => x.name === a.name))];
}

function twoVersions(a: Named, b: Named): UserError {
  return new UserError("resolve.two-versions", `\`${b.name}\` is wanted as \`${b.version}\` and as \`${a.version}\``, { where: b.where, hint: `the other is said in ${a.where.file}${a.where.line ? `:${a.where.line}` : ""}` });
}

function patternError(pattern: Pattern, names: readonly string[]): UserError {
  const none = `no package of the plan depends on one like \`${pattern.spec}\``;
  if (names.length === 0) return new UserError("resolve.pattern-none", none, { where: pattern.where, hint: "a pattern stands for one dependency of a package that some scriptlet names" });
  const many = `\`${pattern.spec}\` could be any of \`${names.join("`, `")}\``;
  return new UserError("resolve.pattern-many", many, { where: pattern.where, hint: names.map((n) => `installDeb("${n}");`).join("\n") });
}
