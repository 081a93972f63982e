// The prover of package sets against apt: real packages of trixie in random sets, whole and broken in every way that we could
// think of. Each set becomes a dpkg status file of its own, on which `apt-get check` must find the same packages at fault.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openArchives, type Archives, type IndexedDeb } from "../../lib/archive.ts";
import { parseRelations } from "../../lib/deb/dependency.ts";
import { engineRoot } from "../../lib/engine.ts";
import { brokenPackages } from "../../lib/plan/check.ts";
import { closure } from "../../lib/plan/closure.ts";
import { suggestDeps } from "../../lib/plan/deps.ts";
import type { Conf, Plan } from "../../lib/plan/plan.ts";
import { openProject } from "../../lib/project.ts";
import { run } from "../../lib/run.ts";
import { sharedDownloads } from "./debcast.ts";
import { randomFrom } from "./random.ts";

const seed = Number(process.env.DEBCAST_TEST_SEED ?? Date.now() % 1_000_000);
/** More finds more, and takes longer: 100 is a minute. */
const rounds = Number(process.env.DEBCAST_TEST_ROUNDS ?? 12);
const random = randomFrom(seed);
const conf = {
  name: "oracle", file: join(engineRoot, "conf/oracle.ts"), suite: "trixie", arch: "amd64", components: ["main"], updates: true, security: true, mirrors: [],
} as unknown as Conf;
const project = openProject(engineRoot, { DEBCAST_DOWNLOADS: sharedDownloads });
const plan: Plan = { project, conf, scriptlets: [] };

let archives: Archives;
let names: string[];
let work: string;

beforeAll(async () => {
  process.stderr.write(`seed ${seed} (DEBCAST_TEST_SEED)\n`);
  archives = await openArchives({ project, conf, mirrors: [], emit: () => {} });
  names = [...new Set(archives.names())];
  work = mkdtempSync(join(tmpdir(), "debcast-apt-"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
const newest = (name: string): IndexedDeb | undefined => archives.find(name)[0];
const set = (debs: Iterable<IndexedDeb>): IndexedDeb[] => [...new Map([...debs].map((d) => [d.name, d])).values()];

/** A few packages with all that they depend on. Nothing looks at conflicts among them: that is for the provers. */
function randomClosure(): IndexedDeb[] {
  const roots = Array.from({ length: 1 + Math.floor(random() * 4) }, () => newest(pick(names))).filter((d) => d !== undefined);
  return set(closure({ roots: set(roots), source: archives, native: conf.arch }).chosen.map((c) => c.deb));
}

const breakages: Record<string, (debs: IndexedDeb[]) => IndexedDeb[]> = {
  whole: (debs) => debs,
  "one removed": (debs) => debs.filter((d) => d !== pickOf(debs)),
  "several removed": (debs) => debs.filter(() => random() > 0.1),
  "older versions": (debs) => debs.map((d) => (random() < 0.1 ? { ...d, version: `0~${d.version.replace(/^\d+:/, "")}` } : d)),
  "newer versions": (debs) => debs.map((d) => (random() < 0.1 ? { ...d, version: `99:${d.version.replace(/^\d+:/, "")}` } : d)),
  "what it conflicts with": (debs) => set([...debs, ...debs.flatMap(adversaries).filter(() => random() < 0.5).slice(0, 5)]),
  "strangers": (debs) => set([...debs, ...Array.from({ length: 20 }, () => newest(pick(names))!).filter(Boolean)]),
  "no versions of what is provided": (debs) => debs.map((d) => (random() < 0.3 && d.fields.Provides ? { ...d, fields: { ...d.fields, Provides: d.fields.Provides.replace(/ \(=[^)]*\)/g, "") } } : d)),
  "architecture qualifiers": (debs) => debs.map((d) => ({ ...d, fields: { ...d.fields, ...qualified(d, "Depends"), ...qualified(d, "Pre-Depends"), ...(random() < 0.3 && { "Multi-Arch": pick(["same", "allowed"]) }) } })),
  "other multi-arch": (debs) => debs.map((d) => (random() < 0.2 ? { ...d, fields: { ...d.fields, "Multi-Arch": pick(["same", "foreign", "allowed", "no"]) } } : d)),
};

/** Some of a field's relations on real packages with `:any` and the like added. On virtual ones Debian has none, and apt's mind varies. */
function qualified(d: IndexedDeb, field: "Depends" | "Pre-Depends"): Partial<Record<typeof field, string>> {
  const old = d.fields[field];
  if (old === undefined) return {};
  return { [field]: old.replace(/(^|[,|] *)([a-z0-9+.-]+)(?=[ ,|]|$)/g, (all, before: string, name: string) => (random() < 0.1 && newest(name) && archives.providers(name).length === 0 ? `${before}${name}:${pick(["any", "any", "amd64", "arm64"])}` : all)) };
}

const pickOf = (() => {
  const chosen = new WeakMap<object, IndexedDeb>();
  return (debs: IndexedDeb[]) => chosen.get(debs) ?? (chosen.set(debs, pick(debs)), chosen.get(debs)!);
})();

function adversaries(d: IndexedDeb): IndexedDeb[] {
  const relations = parseRelations([d.fields.Conflicts, d.fields.Breaks].filter(Boolean).join(", ")).flat();
  return relations.flatMap((r) => [...archives.find(r.name), ...archives.providers(r.name)]);
}

test.each(Object.keys(breakages))("the same packages are at fault as for apt: %s", async (kind) => {
  let [faulty, total] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    const debs = breakages[kind]!(randomClosure());
    const ours = brokenPackages({ plan, lock: lockOf(debs), local: [] });
    const theirs = await aptBroken(debs);
    expect(ours, `${debs.map((d) => d.name).join(" ")} (seed ${seed})`).toEqual(theirs);
    total++;
    if (theirs.length > 0) faulty++;
  }
  process.stderr.write(`${kind}: ${faulty} of ${total} sets faulty\n`);
});

test("what deps suggests is complete for apt", async () => {
  const base = ["base-files", "base-passwd", "bash", "coreutils", "dash", "dpkg", "libc-bin", "mawk", "perl-base"];
  for (let i = 0; i < 8; i++) {
    const name = pick(names);
    const { debs } = await suggestDeps({ packages: [...base, name], plan, project, archives, known: new Map() });
    expect(await aptBroken(debs.map((d) => newest(d)!)), `${name} (seed ${seed})`).toEqual([]);
  }
});

function lockOf(debs: readonly IndexedDeb[]) {
  return {
    suite: conf.suite, arch: conf.arch, archives: [], patterns: new Map<string, string>(), ledger: { users: new Map<string, number>(), groups: new Map<string, number>() },
    debs: debs.map((d) => ({ ...d, roles: ["image" as const] })),
  };
}

/** Packages that `apt-get check` names, with `debs` as the only installed ones. */
async function aptBroken(debs: readonly IndexedDeb[]): Promise<string[]> {
  for (const dir of ["lists/partial", "cache/archives/partial", "etc"]) mkdirSync(join(work, dir), { recursive: true });
  writeFileSync(join(work, "status"), debs.map(statusOf).join("\n"));
  const options = {
    "Dir::State": work, "Dir::State::status": join(work, "status"), "Dir::State::lists": join(work, "lists"), "Dir::Cache": join(work, "cache"),
    "Dir::Etc": join(work, "etc"), "APT::Architecture": "amd64", "APT::Architectures": "amd64", "Debug::NoLocking": "1",
  };
  const argv = ["apt-get", ...Object.entries(options).flatMap(([k, v]) => ["-o", `${k}=${v}`]), "check"];
  const r = await run(argv, { env: { ...(process.env as Record<string, string>), LC_ALL: "C", APT_CONFIG: "/dev/null", COLUMNS: "2000" }, ok: [0, 100] });
  const found = [...r.stdout.matchAll(/^ (\S+?)(?::amd64)? : /gm)].map((m) => m[1]!);
  if (r.code !== 0 && found.length === 0) throw new Error(`apt-get check: ${r.stderr}${r.stdout}`);
  return [...new Set(found)].sort();
}

function statusOf(d: IndexedDeb): string {
  const fields = { Package: d.name, Status: "install ok installed", Version: d.version, Architecture: d.arch, Maintainer: "x <x@mirror.example>", ...d.fields, Description: "x" };
  return `${Object.entries(fields).map(([k, v]) => `${k}: ${v}`).join("\n")}\n`;
}
