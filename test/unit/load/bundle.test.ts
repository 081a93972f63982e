// The cache of bundles: when one is made anew, and that nothing damaged or half-written is taken for whole.
import { existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openBundles } from "../../../lib/plan/bundle.ts";
import { load, messageOf, project, type TestProject } from "./project.ts";

const helped = {
  "base/a.ts": 'import { installDeb } from "debcast";\nimport { name } from "./a/name.ts";\ninstallDeb(name);\n',
  "base/a/name.ts": 'export const name: string = "one";\n',
};

const cacheFiles = (p: TestProject) => readdirSync(join(p.downloads, "bundle")).map((f) => join(p.downloads, "bundle", f));
const debs = async (p: TestProject) => (await load(p)).scriptlets.at(-1)!.debs.map((d) => d.spec);

test("a second load writes nothing; a changed helper is noticed, even with its old date and size", async () => {
  const p = project(helped);
  expect(await debs(p)).toEqual(["one"]);
  const [file] = cacheFiles(p);
  utimesSync(file!, 1, 1);
  expect(await debs(p)).toEqual(["one"]);
  expect(statSync(file!).mtimeMs).toBe(1000);
  const helper = join(p.dir, "base/a/name.ts");
  const { atime, mtime } = statSync(helper);
  p.write("base/a/name.ts", 'export const name: string = "two";\n');
  utimesSync(helper, atime, mtime);
  expect(await debs(p)).toEqual(["two"]);
});

test("a helper that is gone is a mistake at the import, not an old bundle", async () => {
  const p = project(helped);
  await load(p);
  rmSync(join(p.dir, "base/a/name.ts"));
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`"error: base/a.ts:2:22: there is no file \`./a/name.ts\`"`);
});

test("a damaged cache is made anew", async () => {
  const p = project(helped);
  await load(p);
  const [file] = cacheFiles(p);
  const whole = readFileSync(file!, "utf8");
  for (const bad of [whole.slice(0, -20), whole.replaceAll("one", "two"), "", "{}"]) {
    writeFileSync(file!, bad);
    expect(await debs(p)).toEqual(["one"]);
    expect(readFileSync(file!, "utf8")).toBe(whole);
  }
  expect(cacheFiles(p)).toEqual([file]);
});

test("bundles are the same in another directory", async () => {
  const [a, b] = [project(helped), project(helped)];
  const sums = async (p: TestProject) => (await load(p)).scriptlets.map((s) => s.bundle);
  expect(await sums(a)).toEqual(await sums(b));
});

test("scriptlets that are not asked for are not bundled, so their mistakes wait", async () => {
  const p = project({ "base/a.ts": "", "base/broken.ts": "const ;\n" });
  await load(p);
  const shelf = openBundles({ root: p.dir, baseDirs: p.baseDirs, downloads: p.downloads });
  expect(await messageOf(p, () => shelf.get([join(p.dir, "base/broken.ts")]))).toContain("base/broken.ts:1:");
  expect(existsSync(join(p.dir, "base/a.js"))).toBe(false);
});
