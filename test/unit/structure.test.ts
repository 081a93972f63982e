// What keeps the code findable: arrows between folders go one way, docs name real files, lint and types are clean.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";

const tracked = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: engineRoot }).toString().split("\n").filter((f) => f && existsSync(join(engineRoot, f)));
const sources = tracked.filter((f) => /^lib\/.*\.ts$/.test(f));

/** A file may import what stands on its own line or below; the lines are those of docs/architecture.md. */
const storeys: readonly (readonly RegExp[])[] = [
  [/^lib\/main\.ts$/],
  [/^lib\/verbs\//],
  [/^lib\/(build|caches|gather|prepare|report|setup|tools)\.ts$/, /^lib\/build\//],
  [/^lib\/(buildlog|changes|child|made|localdebs|builddeb|init|conf)\.ts$/, /^lib\/plan\//, /^lib\/output\//, /^lib\/layers\//, /^lib\/rootfs\//, /^lib\/inspect\//, /^lib\/disk\//, /^lib\/vm\//, /^lib\/push\//],
  [/^lib\/(archive|mirrors|lock|secrets)\.ts$/, /^lib\/(archive|lock|store)\//],
  [/^lib\/(fetch|cache|sandbox|namespace)\.ts$/, /^lib\/(deb|fetch|namespace|sandbox)\//],
  [/^lib\/(run|project|format|hosterrors)\.ts$/, /^lib\/run\//],
  [/^lib\/(errors|events|engine|api)\.ts$/],
];

/** Types that are shared contracts may be imported from above; they are erased. */
const contracts = [/^lib\/plan\/plan\.ts$/, /^lib\/lock\.ts$/, /^lib\/verbs\/verb\.ts$/, /^lib\/api\.ts$/];

const storeyOf = (file: string) => storeys.findIndex((s) => s.some((r) => r.test(file)));

function importsOf(file: string): { to: string; typeOnly: boolean }[] {
  const text = readFileSync(join(engineRoot, file), "utf8");
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;"']*?from\s+["'](\.[^"']+)["']|import\(\s*["'](\.[^"']+)["']\s*\)/gm)].map((m) => ({
    to: normalize(join(dirname(file), (m[2] ?? m[3])!)),
    typeOnly: m[1] !== undefined,
  }));
}

test("every module has its storey, and arrows never go up", () => {
  expect(sources.filter((f) => storeyOf(f) === -1)).toEqual([]);
  const up = sources.flatMap((from) =>
    importsOf(from)
      .filter(({ to, typeOnly }) => storeyOf(to) < storeyOf(from) && !(typeOnly && contracts.some((c) => c.test(to))))
      .map(({ to }) => `${from} → ${to}`),
  );
  expect(up).toEqual([]);
});

test("nothing in lib/ imports base/, and api.ts imports nothing", () => {
  expect(sources.filter((f) => importsOf(f).some(({ to }) => to.startsWith("base/")))).toEqual([]);
  expect(importsOf("lib/api.ts")).toEqual([]);
});

test("only the report prints", () => {
  const printing = sources.filter((f) => /\bconsole\.|process\.(stdout|stderr)\.write/.test(readFileSync(join(engineRoot, f), "utf8")));
  expect(printing.filter((f) => !["lib/report.ts", "lib/main.ts"].includes(f))).toEqual([]);
});

/** Placeholders, locks that the first build writes, and names that a project gives to its devices apart. */
test("every path named in the docs exists", () => {
  const docs = tracked.filter((f) => f.endsWith(".md"));
  const missing = docs.flatMap((doc) => {
    const text = readFileSync(join(engineRoot, doc), "utf8");
    const named = [...text.matchAll(/`((?:lib|base|conf|test|docs|bin|\.ci)\/[\w./-]*\w)`|\]\((?!https?:|#)([^)#]+)[^)]*\)/g)];
    return named.map((m) => m[1] ?? join(dirname(doc), m[2]!)).filter((p) => !/NAME|SUITE|^conf\/(\w+\.lock|devices\.ts)$/.test(p) && !existsSync(join(engineRoot, p))).map((p) => `${doc}: ${p}`);
  });
  expect(missing).toEqual([]);
});

test("types are clean", () => {
  const r = spawnSync("npx", ["tsc", "-p", "."], { cwd: engineRoot, encoding: "utf8" });
  expect(r.stdout).toBe("");
  expect(r.status).toBe(0);
});

test("lint is clean", () => {
  const r = spawnSync("npx", ["oxlint", "lib", "test", "base", "conf"], { cwd: engineRoot, encoding: "utf8" });
  expect(r.status, r.stdout).toBe(0);
});
