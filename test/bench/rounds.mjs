// Rounds: in each, every scenario once, and beside it each rival on the same closure. A ratio is of two runs of one round, so what the
// machine did meanwhile slows both. Rivals keep nothing between builds: what changed since the last one is all the same to them, so
// in one round a rival builds each closure once, and that time counts for all scenarios with this closure.
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { asInstalled, differing, installed } from "./closure.mjs";
import { openFarm } from "./repository.mjs";
import { Failed, run } from "./run.mjs";
import { calm } from "./workspace.mjs";

/** A comparison that would be of unlike things. */
export class Unlike extends Error {}

const suite = "trixie";

export function openRounds({ project, workspace, rivals, say, wholeArchive }) {
  const farm = openFarm(workspace.rivals, wholeArchive ? project.packageLists() : []);
  const withPaths = (debs) => debs.map((d) => ({ ...d, path: project.deb(d) }));
  const failed = new Map();
  let builds = 0;

  async function rivalBuild(rival, image, closure) {
    const helpers = project.closure("extras").filter((d) => /eatmydata/.test(d.name) && !closure.some((c) => c.name === d.name));
    const repository = farm.repository(withPaths([...closure, ...helpers]), suite);
    const target = join(workspace.rivals, `${rival.name}-${process.pid}-${builds++}`);
    calm(repository.dir);
    const { seconds } = await run(rival.command({ image, closure, repository, suite, target }), { log: workspace.log(`${rival.name}-${image}`), env: { LC_ALL: "C.UTF-8" } });
    const packages = installed(target);
    workspace.aside(target);
    return { seconds, packages };
  }

  return {
    /** `RIVAL, IMAGE` → why there is no time. */
    failed,
    /** One round of `scenarios`. Resolves to [{ scenario, seconds: { debcast, RIVAL… }, note, packages, weight }]. */
    async round(scenarios, round) {
      const known = new Map();
      const results = [];
      for (const scenario of scenarios) results.push(await once(scenario, round, known));
      await workspace.purge();
      // For 35 s ext4 passes over each inode that was freed, which makes new files slow for whoever comes next.
      await setTimeout(40_000);
      return results;
    },
  };

  async function once(scenario, round, known) {
    const { image } = scenario;
    const bench = { project, workspace, round, mark: `${Date.now()}`, tree: project.image(image) };
    const before = project.lock.read(image);
    const note = (await scenario.prepare(bench)) ?? undefined;
    calm(project.downloads);
    const weigh = scenario.weigh === true && round === 1;
    const { seconds, peak } = await project.build(image, scenario.name, { memory: weigh });
    const closure = project.closure(image);
    const ours = installed(bench.tree);
    mustBeSame(asInstalled(closure), ours, "the lock", "debcast's image");
    const proof = scenario.proves?.(bench) ?? true;
    if (proof !== true) throw new Unlike(`${scenario.name}: ${proof}`);
    say(`${scenario.name}: debcast ${seconds.toFixed(2)} s${note ? ` (${note})` : ""}`);
    const result = { scenario: scenario.name, seconds: { debcast: seconds }, note, packages: ours.length, weight: weigh ? { memory: peak, ...project.sizes(image) } : undefined };
    for (const rival of rivals.filter((r) => r.images.includes(image))) {
      const theirs = await against(rival, image, closure, ours, known);
      if (theirs !== undefined) result.seconds[rival.name] = theirs;
    }
    scenario.after?.(bench, before);
    return result;
  }

  /** Seconds; undefined when the rival could not build this at all, which is told and does not end the bench. */
  async function against(rival, image, closure, ours, known) {
    const key = [rival.name, ...ours].join("\n");
    if (!known.has(key)) known.set(key, await timed(rival, image, closure, ours));
    return known.get(key);
  }

  async function timed(rival, image, closure, ours) {
    if (failed.has(`${rival.name}, ${image}`)) return undefined;
    try {
      const built = await rivalBuild(rival, image, closure);
      mustBeSame(ours, built.packages, "debcast", rival.name);
      say(`${image}, ${ours.length} packages: ${rival.name} ${built.seconds.toFixed(2)} s`);
      return built.seconds;
    } catch (e) {
      if (!(e instanceof Failed)) throw e;
      say(e.message);
      failed.set(`${rival.name}, ${image}`, "it failed; the end of its log is above");
      return undefined;
    }
  }
}

function mustBeSame(a, b, nameA, nameB) {
  const lines = differing(a, b);
  if (lines.length > 0) throw new Unlike(`the builds are not of the same packages and so not compared (- ${nameA}, + ${nameB}):\n${lines.join("\n")}`);
}
