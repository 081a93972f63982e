// The lines that a new scriptlet needs for some packages: need() for scriptlets that exist, installDeb() for the rest.
import type { Archives } from "../archive.ts";
import { throwAll, UserError } from "../errors.ts";
import type { IndexedDeb } from "../deb/index.ts";
import type { Project } from "../project.ts";
import { closure, PackageSet, type ChosenDeb } from "./closure.ts";
import { knownScriptlets, scriptletFor, withNeeds, type Known } from "./known.ts";
import type { Plan } from "./plan.ts";
import { unknownPackage } from "./unknown.ts";

export interface DepsOptions {
  readonly packages: readonly string[];
  readonly plan: Plan;
  readonly project: Project;
  readonly archives: Archives;
  /** Default: the scriptlets of the project. */
  readonly known?: Known | undefined;
  /** The scriptlet that is being written: nothing that needs it is suggested. */
  readonly scriptlet?: string | undefined;
}

export interface Suggested {
  /** Scriptlets to need. */
  readonly needs: readonly string[];
  /** Packages to install, those asked for first. */
  readonly debs: readonly string[];
  /** The statements for a scriptlet. */
  readonly lines: readonly string[];
  /** Names to import from "debcast". */
  readonly imports: readonly string[];
}

/** Planned in every image without being asked for. */
const always = "minbase";

export async function suggestDeps(o: DepsOptions): Promise<Suggested> {
  const native = o.plan.conf.arch;
  const known = o.known ?? knownScriptlets(o.project);
  const roots = await findRoots(o);
  const debsOf = (scriptlet: string) => withNeeds(scriptlet, known).flatMap((s) => s.packages).flatMap((name) => o.archives.find(name).slice(0, 1));
  const present = debsOf(always);
  const base = { source: o.archives, native, present, prefer: plannedSet(o) };
  const whole = closure({ ...base, roots });
  throwAll(whole.unmet.map(({ deb, relation }) => new UserError("deps.unmet", `\`${deb.name}\` depends on \`${relation}\`, which the archive cannot give together with the rest`)));
  const wanted = new Set([...present, ...whole.chosen.map((c) => c.deb)].map((d) => d.name));
  const needs = new Set<string>();
  const rootNames = new Set(roots.map((d) => d.name));
  const cover = (deb: IndexedDeb): IndexedDeb[] => {
    const accept = (s: { packages: readonly string[] }) => s.packages.every((p) => wanted.has(p));
    const scriptlet = scriptletFor(deb.name, { known, asking: o.scriptlet, accept });
    if (!scriptlet || scriptlet.packages.some((p) => rootNames.has(p))) return [];
    needs.add(scriptlet.name);
    return debsOf(scriptlet.name);
  };
  const { chosen } = closure({ ...base, roots, cover });
  const minimal = [...needs].filter((n) => ![...needs].some((m) => m !== n && withNeeds(m, known).some((s) => s.name === n))).sort();
  const covered = new Set(minimal.flatMap((n) => withNeeds(n, known)).flatMap((s) => s.packages));
  return write(minimal, chosen.filter((c) => c.parent === undefined || !covered.has(c.deb.name)));
}

async function findRoots(o: DepsOptions): Promise<IndexedDeb[]> {
  const found: IndexedDeb[] = [];
  const errors: UserError[] = [];
  for (const name of new Set(o.packages)) {
    const deb = o.archives.find(name)[0];
    if (deb) found.push(deb);
    else errors.push(await unknownPackage({ name, spec: name }, { archives: o.archives, conf: o.plan.conf }));
  }
  throwAll(errors);
  return found;
}

/** Where there is a choice, what the plan has anyway. */
function plannedSet({ plan, archives }: DepsOptions): PackageSet {
  const names = plan.scriptlets.flatMap((s) => s.debs).flatMap((d) => (d.kind === "name" ? [d.name] : []));
  return new PackageSet(plan.conf.arch, names.flatMap((name) => archives.find(name).slice(0, 1)));
}

/** The packages asked for on the first line; below, one group for each of their dependencies with what that brings along. */
function write(needs: readonly string[], chosen: readonly ChosenDeb[]): Suggested {
  const roots = chosen.filter((c) => c.parent === undefined).map((c) => c.deb.name);
  const parents = new Map(chosen.map((c) => [c.deb.name, c.parent?.name]));
  const groupOf = (name: string): string => {
    const parent = parents.get(name);
    return parent === undefined || roots.includes(parent) || !parents.has(parent) ? name : groupOf(parent);
  };
  const groups = new Map<string, string[]>();
  for (const { deb } of chosen.filter((c) => c.parent !== undefined)) groups.set(groupOf(deb.name), [...(groups.get(groupOf(deb.name)) ?? []), deb.name]);
  const single = [...groups.values()].filter((g) => g.length === 1).map((g) => g[0]!);
  const several = [...groups.values()].filter((g) => g.length > 1);
  const lines = [...wrap("need", needs), ...[roots, single.sort(), ...several].flatMap((g) => wrap("installDeb", g))];
  return { needs, debs: [...roots, ...single, ...several.flat()], lines, imports: [...(needs.length > 0 ? ["need"] : []), "installDeb"] };
}

const width = 120;

/** `installDeb("a", "b");` in as many statements as fit the width. */
function wrap(call: string, names: readonly string[]): string[] {
  const lines: string[][] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last && statement(call, [...last, name]).length <= width) last.push(name);
    else lines.push([name]);
  }
  return lines.map((l) => statement(call, l));
}

function statement(call: string, names: readonly string[]): string {
  return `${call}(${names.map((n) => `"${n}"`).join(", ")});`;
}
