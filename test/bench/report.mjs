// From single runs to what is told: medians, ratios of the runs of one round, and the text.
import { floorTitles } from "./floor.mjs";

const own = "debcast";

/** `results`: of ./rounds.mjs, tarRound and diskRound, all rounds. */
export function summary({ scenarios, results, floors }) {
  const others = [{ name: "tar", image: "gateway", title: "packed as .tar.zst" }, { name: "disk", image: "gateway", title: "a disk of it" }];
  const rows = [...scenarios, ...others].map((s) => row(s, results.filter((r) => r.scenario === s.name))).filter((r) => r !== undefined);
  return { scenarios: rows, floor: floorRows(floors) };
}

function row({ name, image, title }, runs) {
  if (runs.length === 0) return undefined;
  const who = [...new Set(runs.flatMap((r) => Object.keys(r.seconds)))];
  const of = (w) => runs.filter((r) => r.seconds[w] !== undefined);
  const times = (w) => of(w).map((r) => r.seconds[w]);
  const ratio = (rival) => of(rival).map((r) => r.seconds[rival] / r.seconds[own]);
  return {
    name, image, title,
    packages: runs.at(-1).packages,
    bytes: runs.at(-1).bytes,
    weight: runs[0].weight,
    notes: runs.map((r) => r.note),
    runs: Object.fromEntries(who.map((w) => [w, times(w)])),
    medians: Object.fromEntries(who.map((w) => [w, median(times(w))])),
    ratios: Object.fromEntries(who.filter((w) => w !== own).map((w) => [w, { median: median(ratio(w)), runs: ratio(w) }])),
  };
}

function floorRows(floors) {
  return Object.entries(floorTitles)
    .filter(() => floors.length > 0)
    .map(([name, title]) => ({ name, title, median: median(floors.map((f) => f[name])), runs: floors.map((f) => f[name]) }));
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

export function formatReport(report) {
  return `${[machineLines(report), scenarioLines(report), floorLines(report), growthLines(report.growth), sizeLines(report), fairnessLines(report)].filter((part) => part.length > 0).map((part) => part.join("\n")).join("\n\n")}\n`;
}

function machineLines({ machine: m, runs }) {
  const versions = Object.entries(m.versions).filter(([, v]) => v !== undefined).map(([name, v]) => `${name} ${v}`);
  return [`${m.cores} × ${m.cpu}, ${gib(m.ramBytes)} RAM, Linux ${m.kernel}, ${m.distribution ?? "unknown distribution"}, ${m.fileSystem}, as ${m.user === "root" ? "root" : "a normal user"}`, versions.join(", "), `runs: ${runs}; medians, seconds of wall clock`];
}

/** A line per pair of programs: their medians, how many times as long the other took, and all runs. */
function scenarioLines({ scenarios, skipped }) {
  if (scenarios.length === 0) return [];
  const lines = [table("", own, "rival", "ratio", "all runs")];
  for (const s of scenarios) {
    const title = `${s.image}: ${s.title.replace(new RegExp(`^${s.image}, `), "")}`;
    lines.push(table(title, seconds(s.medians[own]), "", "", list(s.runs[own])));
    for (const [rival, { median: ratio, runs }] of Object.entries(s.ratios)) {
      lines.push(table(`  ${rival}`, "", seconds(s.medians[rival]), `${ratio.toFixed(1)} ×`, `${list(s.runs[rival])}${runs.length > 1 ? `  (${list(runs, 1)} ×)` : ""}`));
    }
  }
  return [...lines, ...Object.entries(skipped).map(([name, why]) => `${name}: not measured, ${why}`)];
}

function table(what, ours, rival, ratio, runs) {
  return `${what.padEnd(46)}${ours.padStart(9)}${rival.padStart(9)}${ratio.padStart(9)}   ${runs}`.trimEnd();
}

function floorLines({ floor }) {
  return floor.length === 0 ? [] : ["the floor", ...floor.map((f) => table(f.title, seconds(f.median), "", "", list(f.runs)))];
}

function growthLines({ packages, scriptlets, plan }) {
  return [...packageLines(packages), ...scriptletLines(scriptlets), ...planLines(plan)];
}

function packageLines(packages) {
  if (packages === undefined) return [];
  if (packages.notMeasured) return [`growth with packages: not measured, ${packages.notMeasured}`];
  const lines = packages.points.map((p) => grown(`${p.debs} .debs (${mib(p.bytes)})`, p.seconds, (1000 * median(p.seconds)) / p.debs));
  return [`cold, with random closed sets beside minbase (seed ${packages.seed}; small packages, none with a service of its own); each`, ...lines];
}

/** What one more costs: beyond the smallest number, for that one is mostly the rest of the build. */
function scriptletLines(scriptlets) {
  if (scriptlets === undefined) return [];
  const [least, ...more] = scriptlets.points;
  const each = (p) => (1000 * (median(p.seconds) - median(least.seconds))) / (p.scriptlets - least.scriptlets);
  return [
    `scriptlets that write one file each, packages warm; each beyond the first ${least.scriptlets}`,
    grown(`${least.scriptlets} scriptlets`, least.seconds),
    ...more.map((p) => grown(`${p.scriptlets} scriptlets`, p.seconds, each(p))),
  ];
}

function planLines(plan) {
  if (plan === undefined) return [];
  if (plan.notMeasured) return [`planning: not measured, ${plan.notMeasured}`];
  return [grown(`planning ${plan.scriptlets} scriptlets, ${plan.debs} .debs`, plan.seconds)];
}

function grown(what, runs, ms) {
  return table(what, seconds(median(runs)), "", ms === undefined ? "" : `${ms.toFixed(1)} ms`, list(runs));
}

function sizeLines({ scenarios }) {
  return scenarios.filter((s) => s.weight).flatMap(({ name, image, weight: { memory, imageBytes, caches } }) => [
    `${name}: memory at most ${mib(memory.nodeBytes)} in a process of debcast's own, ${mib(memory.treeBytes)} with all that it starts`,
    `  image ${image} ${mib(imageBytes)}; caches: ${Object.entries(caches).filter(([, bytes]) => bytes >= 1 << 20).map(([cache, bytes]) => `${cache} ${mib(bytes)}`).join(", ")}`,
  ]);
}

function fairnessLines({ fairness }) {
  return ["how it was compared", ...fairness.map((line) => `- ${line}`)];
}

const seconds = (n) => n.toFixed(2);
const list = (numbers, digits = 2) => numbers.map((n) => n.toFixed(digits)).join(" ");
const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(0)} GiB`;
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
