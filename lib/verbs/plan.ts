import { load } from "../prepare.ts";
import type { Plan, PlannedScriptlet } from "../plan/plan.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "plan",
  usage: "plan",
  summary: "print what the scriptlets ask for, in order; touches nothing",
  run: async (c: Context): Promise<Outcome> => {
    const { plan } = await load(c);
    return { text: plan.scriptlets.map(describe).join("\n"), data: planData(plan), next: [`debcast check -c ${c.conf}`] };
  },
};

function describe(s: PlannedScriptlet): string {
  const needs = s.needs.length > 0 ? `  needs ${s.needs.map((n) => n.name).join(" ")}\n` : "";
  const debs = s.debs.length > 0 ? `  installs ${s.debs.map((d) => d.spec).join(" ")}\n` : "";
  const acts = (["before", "run", "runLast"] as const).filter((phase) => s[phase].length > 0);
  return `${s.name}\n${needs}${debs}${acts.length > 0 ? `  has ${acts.join(", ")}\n` : ""}`.trimEnd();
}

/** The plan as data: no functions, no secrets' values. */
export function planData(plan: Plan): object {
  return {
    conf: plan.conf.name,
    suite: plan.conf.suite,
    arch: plan.conf.arch,
    scriptlets: plan.scriptlets.map((s) => ({
      name: s.name, file: s.file, needs: s.needs.map((n) => n.name), debs: s.debs.map((d) => ({ spec: d.spec, line: d.where.line })),
      excludes: s.excludes.map((e) => e.glob), downloads: s.downloads.map((d) => d.url), secrets: s.secrets, confReads: s.confReads,
      phases: (["before", "run", "runLast"] as const).filter((phase) => s[phase].length > 0),
    })),
  };
}
