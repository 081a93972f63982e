// What the scriptlets of all base directories install, read from their text without loading them: loading would want the options
// of a conf that does not ask for them. Good for suggestions only; what is planned says the plan.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Project } from "../project.ts";

export interface KnownScriptlet {
  readonly name: string;
  readonly packages: readonly string[];
  readonly needs: readonly string[];
  /** Whether a conf may have to set something first. */
  readonly options: boolean;
}

export type Known = ReadonlyMap<string, KnownScriptlet>;

export function knownScriptlets(project: Pick<Project, "baseDirs">): Known {
  const known = new Map<string, KnownScriptlet>();
  for (const dir of project.baseDirs.filter((d) => existsSync(d))) {
    for (const file of readdirSync(dir).filter((f) => f.endsWith(".ts") && !f.endsWith(".d.ts"))) {
      const name = file.slice(0, -3);
      if (!known.has(name)) known.set(name, readScriptlet(name, readFileSync(join(dir, file), "utf8")));
    }
  }
  return known;
}

export function readScriptlet(name: string, source: string): KnownScriptlet {
  const code = source.replace(/^\s*\/\/.*$/gm, "").replace(/\/\*[\s\S]*?\*\//g, "");
  const strings = (call: string) =>
    [...code.matchAll(new RegExp(`\\b${call}\\(([^()]*)\\)`, "g"))].flatMap((m) => [...m[1]!.replace(/\/\/.*$/gm, "").matchAll(/"([^"\n]+)"/g)].map((s) => s[1]!));
  return {
    name,
    packages: [...new Set(strings("installDeb").filter((s) => /^[a-z0-9][a-z0-9+.-]+([:=].*)?$/.test(s)).map((s) => s.replace(/[:=].*$/, "")))],
    needs: strings("need"),
    options: /\bdefineOptions\(/.test(code),
  };
}

/** A scriptlet with all that it needs, itself first. */
export function withNeeds(name: string, known: Known): KnownScriptlet[] {
  const found = new Map<string, KnownScriptlet>();
  const visit = (n: string) => {
    const scriptlet = known.get(n);
    if (!scriptlet || found.has(n)) return;
    found.set(n, scriptlet);
    scriptlet.needs.forEach(visit);
  };
  visit(name);
  return [...found.values()];
}

export interface ProviderQuestion {
  readonly known: Known;
  /** Who asks: what needs it cannot be needed by it. */
  readonly asking?: string | undefined;
  /** Scriptlets that are out of the question. */
  readonly except?: ReadonlySet<string>;
  /** Whether a scriptlet may be suggested that also installs all of these. */
  readonly accept: (scriptlet: KnownScriptlet) => boolean;
}

/** The scriptlet to `need` for a package: one of its name, else one of libraries, else the smallest. */
export function scriptletFor(packageName: string, q: ProviderQuestion): KnownScriptlet | undefined {
  const score = (s: KnownScriptlet) => (s.name === packageName ? 0 : s.name.startsWith("lib-") ? 1 : 2 + s.packages.length);
  return [...q.known.values()]
    .filter((s) => s.packages.includes(packageName) && s.name !== q.asking && !q.except?.has(s.name) && !s.options)
    .filter((s) => s.name === packageName || s.name.startsWith("lib-") || q.accept(s))
    .filter((s) => q.asking === undefined || !withNeeds(s.name, q.known).some((n) => n.needs.includes(q.asking!)))
    .sort((a, b) => score(a) - score(b) || (a.name < b.name ? -1 : 1))[0];
}
