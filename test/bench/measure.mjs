// What is measured, in which order, and what becomes of it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { diskRound, floorRound, tarRound } from "./floor.mjs";
import { packageGrowth, planGrowth, scriptletGrowth } from "./growth.mjs";
import { machineFacts } from "./machine.mjs";
import { openProject } from "./project.mjs";
import { formatReport, summary } from "./report.mjs";
import { rivalNames, rivalsHere } from "./rivals.mjs";
import { openRounds } from "./rounds.mjs";
import { scenarios } from "./scenarios.mjs";
import { drawChart } from "./svg.mjs";
import { openWorkspace } from "./workspace.mjs";

/** Beside the scenarios: name → of which image, or none. */
const others = { tar: "gateway", disk: "gateway", floor: "gateway", "growth-packages": undefined, "growth-scriptlets": undefined, "growth-plan": undefined };

const fairness = [
  "The same packages in the same versions on both sides, compared after every build (dpkg's status file); a difference ends the bench.",
  "Nobody uses the network: debcast has its .debs in downloads/, mmdebstrap in apt's cache, debootstrap in its --cache-dir, mkosi in a mirror on this disk.",
  "The rivals' package list is that of the whole archive, on this disk, as a mirror has it: with it they find out what debcast has in its lock. `--closure-list` gives them one of the closure alone.",
  "The page cache is warm for both: a machine may give back in the minute of another's build what it had read, so before each timed part all caches that it may use (of debcast, downloads/; of a rival, its repository) are read, after a `sync`. A short build follows one of its kind at once (another line, another package, nothing). What was removed before is deleted only between rounds.",
  "debcast also runs the steps of its scriptlets, checks the result and packs nothing; the others only install. They keep nothing between builds, so whatever changed they start anew.",
  "mmdebstrap runs with its eatmydata hook (no sync in dpkg) and, for the gateway, leaves out the documentation that debcast leaves out there. mkosi runs with --with-docs=no. debootstrap has neither switch.",
];

export async function measure(options) {
  const chosen = choose(options.only);
  if (options.list) return void process.stdout.write(listing());
  refuseUnknown(options);
  const say = (text) => process.stderr.write(`${text}\n`);
  const workspace = openWorkspace(options);
  const project = openProject({ workspace, engine: options.engine });
  const rivals = rivalsHere(options.rivals);
  for (const [name, why] of rivals.skipped) say(`without ${name}: ${why}`);

  const report = {
    machine: machineFacts({ engine: project.engine, scratch: workspace.root }),
    runs: options.runs, seed: options.seed, fairness,
    rivals: rivals.here.map(({ name, title }) => ({ name, title })),
    skipped: Object.fromEntries(rivals.skipped),
  };
  await fetchAll(project, chosen, say);
  await images({ report, options, project, workspace, rivals: rivals.here, chosen, say });
  // Growth takes long: should it fail, what there is by now is there.
  write(options.out, report);
  await growth({ report, options, project, workspace, chosen, say });

  write(options.out, report);
  process.stdout.write(formatReport(report));
  const kept = workspace.close();
  if (kept) say(`\nkept: ${kept}`);
}

/** The chosen scenarios, and the names of what else is chosen. An empty `only` is everything; a group is `gateway`, `minbase` or `growth`. */
function choose(only) {
  const asked = (name, group) => only.length === 0 || only.includes(name) || only.includes(group);
  return {
    scenarios: scenarios.filter((s) => asked(s.name, s.image)),
    others: new Set(Object.keys(others).filter((name) => asked(name, others[name] ?? "growth"))),
  };
}

function refuseUnknown({ only, rivals }) {
  const names = [...scenarios.flatMap((s) => [s.name, s.image]), ...Object.keys(others), "growth"];
  const unknown = [...only.filter((n) => !names.includes(n)), ...rivals.filter((n) => ![...rivalNames(), "none"].includes(n))];
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}\n\n${listing()}rivals: ${rivalNames().join(", ")}`);
}

function listing() {
  return [...scenarios.map((s) => `${s.name.padEnd(20)}${s.image.padEnd(10)}${s.title}\n`), ...Object.keys(others).map((n) => `${n}\n`)].join("");
}

/** The only time that a mirror is asked. It also warms what every later call needs: debcast's own bundle, the type check. */
async function fetchAll(project, chosen, say) {
  const imagesWanted = new Set([...chosen.scenarios.map((s) => s.image), ...[...chosen.others].map((o) => others[o] ?? "minbase"), "extras"]);
  for (const conf of imagesWanted) {
    say(`fetching for ${conf}`);
    await project.fetch(conf);
  }
}

async function images({ report, options, project, workspace, rivals, chosen, say }) {
  const rounds = openRounds({ project, workspace, rivals, say, wholeArchive: options["closure-list"] !== true });
  await workspace.purge();
  const [results, floors] = [[], []];
  for (let round = 1; round <= options.runs; round++) {
    if (chosen.scenarios.length > 0) say(`round ${round} of ${options.runs}`);
    results.push(...(await rounds.round(chosen.scenarios, round)));
    if (chosen.others.has("tar")) results.push(await tarRound({ project, workspace, conf: "gateway" }));
    if (chosen.others.has("disk")) results.push(await diskRound({ project, workspace, conf: "gateway" }));
    if (chosen.others.has("floor")) {
      await project.ready("gateway");
      floors.push(await floorRound({ project, workspace, conf: "gateway" }));
    }
  }
  Object.assign(report, summary({ scenarios: chosen.scenarios, results, floors }));
  Object.assign(report.skipped, Object.fromEntries(rounds.failed));
}

async function growth({ report, options, project, workspace, chosen, say }) {
  const o = { project, workspace, say, seed: options.seed, runs: options.runs };
  report.growth = {
    ...(chosen.others.has("growth-packages") ? { packages: await packageGrowth(o) } : {}),
    ...(chosen.others.has("growth-scriptlets") ? { scriptlets: await scriptletGrowth(o) } : {}),
    ...(chosen.others.has("growth-plan") ? { plan: await planGrowth(o) } : {}),
  };
}

function write(dir, report) {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "bench.json"), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(dir, "bench.svg"), drawChart(report));
}
