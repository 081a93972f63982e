import { load } from "../prepare.ts";
import type { Plan, PlannedScriptlet } from "../plan/plan.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "plan",
  usage: "plan",
  summary: "print what the scriptlets ask for, in order; touches nothing",
  run: async (c: Context): Promise<Outcome> => {
    const { plan } = await load(c);
    return { text: plan.scriptlets.map(describe).join("\n"), data: planData(plan), next: [`debcast check`] };
  },
};

function describe(s: PlannedScriptlet): string {
  const acts = (["before", "run", "runLast"] as const).filter((phase) => s[phase].length > 0);
  const rows = [
    row("needs", s.needs.map((n) => n.name)), row("installs", s.debs.map((d) => d.spec)), row("downloads", s.downloads.map((d) => d.url)),
    row("excludes", s.excludes.map((e) => e.glob)), row("secrets", s.secrets), row("has", acts.map((a) => `${a}()`)),
  ];
  return [s.name, ...rows.flat()].join("\n");
}

/** Words below each other's heading, in lines that a terminal does not break. */
function row(heading: string, words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 84) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, i) => `  ${(i === 0 ? heading : "").padEnd(10)}${line}`);
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
