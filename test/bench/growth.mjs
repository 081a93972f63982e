// How time grows with what is in an image: packages, and scriptlets.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { closedSet, parseIndex } from "./closedset.mjs";
import { Unlike } from "./rounds.mjs";
import { calm } from "./workspace.mjs";

const packageSteps = [50, 100, 200, 400, 800];
const scriptletSteps = [10, 30, 100, 300, 1000];
const planned = { scriptlets: 1000, debs: 1500 };

/** A set that the archive's own mistakes or debcast's check refuse is replaced by the next seed's. */
const seedsTried = 8;

const noIndex = "the package list of the lock's archive is not in downloads/index";

/**
 * Sets of packages beside minbase, each a part of the next: [{ debs, seconds: […] }], and the seed. Cold: only the .debs are there.
 * `notMeasured` says why when there is no such set.
 */
export async function packageGrowth({ project, workspace, runs, seed, say }) {
  const index = archiveIndex(project);
  if (index === undefined) return { notMeasured: noIndex };
  const set = await acceptedSet({ project, index, seed, say });
  if (set === undefined) return { notMeasured: `debcast refuses the sets of seeds ${seed} to ${seed + seedsTried - 1}` };
  const points = [];
  for (const { conf } of set.confs) points.push({ conf, ...weightOf(project.closure(conf)), seconds: [] });
  for (let round = 1; round <= runs; round++) {
    for (const point of points) {
      project.forget();
      calm(project.downloads);
      const { seconds } = await project.build(point.conf, "growth");
      workspace.aside(project.image(point.conf));
      point.seconds.push(seconds);
      say(`growth: ${point.debs} .debs ${seconds.toFixed(2)} s`);
      await workspace.purge();
    }
  }
  return { seed: set.seed, points };
}

function weightOf(debs) {
  return { debs: debs.length, bytes: debs.reduce((sum, d) => sum + d.size, 0) };
}

/** The confs of the first seed whose largest set can be locked and fetched. */
async function acceptedSet({ project, index, seed, say }) {
  for (let s = seed; s < seed + seedsTried; s++) {
    const confs = packageSteps.map((size) => ({ size, conf: `grow-${size}` }));
    const steps = closedSet(index, { has: project.closure("minbase").map((d) => d.name), steps: packageSteps, seed: s });
    if (steps === undefined) continue;
    confs.forEach(({ conf }, i) => {
      project.scriptlet(conf, `import { installDeb } from "debcast";\n\n${steps[i].map((name) => `installDeb("${name}");\n`).join("")}`);
      project.conf(conf, [conf]);
      project.lock.copy("minbase", conf);
    });
    try {
      for (const { conf } of [...confs].reverse()) await project.fetch(conf);
      await project.build(confs.at(-1).conf, "growth-try");
      return { seed: s, confs };
    } catch (e) {
      say(`growth: the set of seed ${s} is not one to build (${e.message.split("\n").slice(1, 12).join(" ").slice(0, 400)})`);
    }
  }
  return undefined;
}

function archiveIndex(project) {
  const sha256 = /^ main\/binary-amd64\/Packages\.xz \d+ ([0-9a-f]{64})$/m.exec(project.lock.read("minbase"))?.[1];
  const file = join(project.downloads, `index/${sha256}.Packages`);
  return existsSync(file) ? parseIndex(readFileSync(file, "utf8")) : undefined;
}

/** Scriptlets that write one file each, with everything of minbase warm: [{ scriptlets, seconds: […] }]. */
export async function scriptletGrowth({ project, workspace, runs, say }) {
  const points = scriptletSteps.map((scriptlets) => ({ scriptlets, seconds: [] }));
  await project.ready("minbase");
  for (let round = 1; round <= runs; round++) {
    for (const point of points) {
      const mark = `${Date.now()}`;
      // New content each time, so that no layer of an earlier run fits.
      const conf = writeScriptlets(project, "written", point.scriptlets, (_, name) => `run(({ write }) => {\n  write("/etc/bench/${name}", "${mark}\\n");\n});\n`);
      calm(project.downloads);
      const { seconds } = await project.build(conf, "scriptlets");
      mustBeWritten(project.image(conf), point.scriptlets, mark);
      workspace.aside(project.image(conf));
      point.seconds.push(seconds);
      say(`growth: ${point.scriptlets} scriptlets ${seconds.toFixed(2)} s`);
    }
    await workspace.purge();
  }
  return { points };
}

/** Planning alone: scriptlets that ask for many .debs between them. These are locked, and need not be here. */
export async function planGrowth({ project, runs, seed, say }) {
  const index = archiveIndex(project);
  if (index === undefined) return { notMeasured: noIndex };
  for (let s = seed; s < seed + seedsTried; s++) {
    const [debs] = closedSet(index, { has: project.closure("minbase").map((d) => d.name), steps: [planned.debs], seed: s }) ?? [];
    if (debs === undefined) continue;
    const conf = writeScriptlets(project, "planned", planned.scriptlets, (i) => debs.filter((_, k) => k % planned.scriptlets === i).map((name) => `installDeb("${name}");\n`).join(""));
    try {
      await project.makeLock(conf);
    } catch (e) {
      say(`growth: the set of seed ${s} is not one to plan (${e.message.split("\n").slice(1, 12).join(" ").slice(0, 400)})`);
      continue;
    }
    const seconds = [];
    for (let round = 1; round <= runs; round++) seconds.push((await project.plan(conf)).seconds);
    return { scriptlets: planned.scriptlets, debs: project.closure(conf).length, seconds };
  }
  return { notMeasured: `the sets of seeds ${seed} to ${seed + seedsTried - 1} cannot be locked` };
}

function mustBeWritten(tree, count, mark) {
  const dir = join(tree, "etc/bench");
  const right = readdirSync(dir).filter((f) => readFileSync(join(dir, f), "utf8") === `${mark}\n`).length;
  if (right !== count) throw new Unlike(`${right} of ${count} scriptlets' files are in the image`);
}

/** `count` scriptlets, of which each says `text(NUMBER, NAME)`. The name of a conf with them and minbase's lock. */
function writeScriptlets(project, kind, count, text) {
  const conf = `${kind}-${count}`;
  const names = Array.from({ length: count }, (_, i) => `${conf}-${i}`);
  names.forEach((name, i) => project.scriptlet(name, `import { installDeb, run } from "debcast";\n\n${text(i, name)}`));
  project.conf(conf, names);
  project.lock.copy("minbase", conf);
  return conf;
}
