// Packages picked at random from the archive, with what they depend on.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openArchives } from "../../lib/archive.ts";
import { loadConf } from "../../lib/conf.ts";
import { suggestDeps } from "../../lib/plan/deps.ts";
import { loadPlan } from "../../lib/plan/load.ts";
import { openProject } from "../../lib/project.ts";
import { sharedDownloads } from "./debcast.ts";

/** mulberry32: the same numbers for the same seed. */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Sizes that keep a test short, in bytes of .debs and number of packages beyond minbase. */
const most = { bytes: 60e6, packages: 150 };

/** Some packages that can be installed together, and their closure beyond minbase, for the project in `dir`. */
export async function randomPackages(dir: string, seed: number): Promise<{ roots: string[]; all: string[] }> {
  writeFileSync(join(dir, "base/set.ts"), "export {};\n");
  const project = openProject(dir, { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads });
  const conf = await loadConf(project, "set");
  const plan = await loadPlan(project, conf);
  const archives = await openArchives({ project, conf, mirrors: [], emit: () => {} });
  const roots: string[] = [];
  let all: string[] = [];
  for (const name of drawn([...new Set(archives.names())], seed).slice(0, 200)) {
    if (roots.length === 4) break;
    const closed = await suggestDeps({ packages: [...roots, name], plan, project, archives, known: minbaseOnly(plan) }).catch(() => undefined);
    if (!closed || closed.debs.length > most.packages) continue;
    const bytes = closed.debs.reduce((sum, d) => sum + (archives.find(d)[0]?.size ?? 0), 0);
    if (bytes > most.bytes) continue;
    roots.push(name);
    all = [...closed.debs];
  }
  return { roots, all };
}

/** In an order of the seed's that stays what it is when the archive gets a name more or less. */
function drawn(names: readonly string[], seed: number): string[] {
  const place = new Map(names.map((name) => [name, createHash("sha256").update(`${seed} ${name}`).digest("hex")]));
  return [...names].sort((a, b) => (place.get(a)! < place.get(b)! ? -1 : 1));
}

/** Nothing but minbase is there to be needed, so that every dependency is named. */
function minbaseOnly(plan: Awaited<ReturnType<typeof loadPlan>>) {
  const minbase = plan.scriptlets.find((s) => s.name === "minbase")!;
  const packages = minbase.debs.flatMap((d) => (d.kind === "name" ? [d.name] : []));
  return new Map([["minbase", { name: "minbase", needs: [], packages, options: false }]]);
}
