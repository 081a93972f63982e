import { expect, test } from "vitest";
import { loadConf } from "../../../lib/conf.ts";
import { loadPlan } from "../../../lib/plan/load.ts";
import { contentParts, downloadOf, localDebOf } from "../../../lib/plan/values.ts";
import { confOf, load, project } from "./project.ts";

const needing = (...names: string[]) => `import { need } from "debcast";\n${names.map((n) => `need("${n}");\n`).join("")}`;

test("order: minbase, user, then depth first by need() in the order of the conf; after() without requiring", async () => {
  const p = project({
    "conf/base.ts": confOf('"a", "b", "c"', 'users: [{ name: "ada" }],'),
    "base/a.ts": `import { after, need } from "debcast";\nafter("c", "absent");\nneed("d");\n`,
    "base/b.ts": needing("e", "d"),
    "base/c.ts": needing("f"),
    "base/d.ts": "", "base/e.ts": needing("d"), "base/f.ts": "", "base/absent.ts": "",
  });
  expect((await load(p)).scriptlets.map((s) => s.name)).toEqual(["minbase", "user", "d", "f", "c", "a", "e", "b"]);
});

test("all that can be said at module level, each with its line", async () => {
  const p = project({
    "base/a.ts": `import { buildDeb, conf, debconf, download, exclude, installDeb, need, run, runLast, before, secret } from "debcast";
import { more } from "./a/more.ts";
import unit from "./a/a.service";
need("minbase");
installDeb("curl", "libc6:i386", "bash=5.2-1", "linux-image-*");
installDeb("./x.deb", buildDeb("package", { name: "own", version: "1.0", depends: ["curl"], units: ["own.service"] }));
  debconf("a a/b string c\\n# comment\\na a/d boolean true");
exclude("/usr/share/doc/**", "/x");
download("https://files.example/x", { sha256: "${"A".repeat(64)}" });
secret("z"); secret("b");
before(() => {}); run(() => {}); run(async () => {}); runLast(() => {});
export const text = unit + more + conf.hostname + conf.disk?.data?.mount;
`,
    "base/a/more.ts": `import { installDeb } from "debcast";\nexport const more = 1;\ninstallDeb("by-helper");\n`,
    "base/a/a.service": "[Service]\n", "base/a/x.deb": "", "base/a/package/etc/own.conf": "",
  });
  const a = (await load(p)).scriptlets.find((s) => s.name === "a")!;
  const place = (w: { file: string; line?: number | undefined; column?: number | undefined; scriptlet?: string | undefined }) => `${w.file.slice(p.dir.length + 1)}:${w.line}:${w.column} (${w.scriptlet})`;
  expect({
    needs: a.needs.map((n) => [n.name, place(n.where)]),
    debs: a.debs.map((d) => [d.kind, d.spec, place(d.where)]),
    debconf: a.debconf.map((d) => [d.text, place(d.where)]),
    excludes: a.excludes.map((d) => [d.glob, place(d.where)]),
    downloads: a.downloads.map((d) => [d.url, d.sha256.slice(0, 4), place(d.where)]),
    secrets: a.secrets, confReads: a.confReads,
    functions: [a.before.length, a.run.length, a.runLast.length],
    inputs: a.inputs.map((f) => f.slice(p.dir.length + 1)).sort(),
  }).toMatchInlineSnapshot(`
    {
      "confReads": [
        "disk",
        "hostname",
      ],
      "debconf": [
        [
          "a a/b string c
    a a/d boolean true",
          "base/a.ts:7:3 (a)",
        ],
      ],
      "debs": [
        [
          "name",
          "by-helper",
          "base/a/more.ts:3:1 (a)",
        ],
        [
          "name",
          "curl",
          "base/a.ts:5:1 (a)",
        ],
        [
          "name",
          "libc6:i386",
          "base/a.ts:5:1 (a)",
        ],
        [
          "name",
          "bash=5.2-1",
          "base/a.ts:5:1 (a)",
        ],
        [
          "pattern",
          "linux-image-*",
          "base/a.ts:5:1 (a)",
        ],
        [
          "file",
          "./x.deb",
          "base/a.ts:6:1 (a)",
        ],
        [
          "build",
          "own",
          "base/a.ts:6:1 (a)",
        ],
      ],
      "downloads": [
        [
          "https://files.example/x",
          "aaaa",
          "base/a.ts:9:1 (a)",
        ],
      ],
      "excludes": [
        [
          "/usr/share/doc/**",
          "base/a.ts:8:1 (a)",
        ],
        [
          "/x",
          "base/a.ts:8:1 (a)",
        ],
      ],
      "functions": [
        1,
        2,
        1,
      ],
      "inputs": [
        "base/a.ts",
        "base/a/a.service",
        "base/a/more.ts",
      ],
      "needs": [
        [
          "minbase",
          "base/a.ts:4:1 (a)",
        ],
      ],
      "secrets": [
        "b",
        "z",
      ],
    }
  `);
});

test("need() gives exports, also of names that are only known when it runs", async () => {
  const p = project({
    "base/a.ts": 'import { need } from "debcast";\nconst name: any = ["si", "te"].join("");\nexport const { tty } = need(name) as any;\nneed(("mo" + "re") as any);\n',
    "base/site.ts": 'import { need } from "debcast";\nexport const tty = "ttyS0";\nneed("deep");\n', "base/deep.ts": "", "base/more.ts": "",
  });
  expect((await load(p)).scriptlets.map((s) => s.name)).toEqual(["minbase", "deep", "site", "more", "a"]);
});

test("a scriptlet is evaluated once per plan, and two plans share nothing", async () => {
  const count = 'const g = globalThis as any;\ng.count = (g.count ?? 0) + 1;\nexport const count: number = g.count;\n';
  const p = project({
    "base/a.ts": `${needing("n", "b")}import { installDeb, need as n } from "debcast";\ninstallDeb("n" + n("n").count as string);\n`,
    "base/b.ts": needing("n"), "base/n.ts": count,
  });
  for (const plan of [await load(p), await load(p)]) {
    expect(plan.scriptlets.map((s) => s.name)).toEqual(["minbase", "n", "b", "a"]);
    expect(plan.scriptlets.at(-1)!.debs.map((d) => d.spec)).toEqual(["n1"]);
  }
});

test("conf reads are those of the scriptlet that made them", async () => {
  const p = project({
    "conf/base.ts": confOf('"a"', "options: { b: { x: 1 } },"),
    "base/a.ts": 'import { conf, need } from "debcast";\nneed("b");\nexport const x = conf.arch + conf.arch;\n',
    "base/b.ts": 'import { conf, defineOptions, int } from "debcast";\nexport const options = defineOptions({ x: int() });\nexport const all = Object.keys({ ...conf }).length;\n',
  });
  const reads = new Map((await load(p)).scriptlets.map((s) => [s.name, s.confReads]));
  expect(reads.get("a")).toEqual(["arch"]);
  expect(reads.get("b")).toContain("options");
  expect(reads.get("b")).toContain("hostname");
  expect(reads.get("minbase")).toEqual([]);
});

test("a project's scriptlet shadows another by name, with its folder", async () => {
  const other = project({ "base/a.ts": 'import { installDeb } from "debcast";\ninstallDeb("theirs");\n', "base/b.ts": 'import { installDeb } from "debcast";\ninstallDeb("bb");\n' });
  const p = project({ "conf/base.ts": confOf('"a", "b"'), "base/a.ts": 'import { installDeb } from "debcast";\nimport { name } from "../lib/name.ts";\ninstallDeb(name);\n', "lib/name.ts": 'export const name = "ours";\n' });
  const both = { ...p, baseDirs: [...p.baseDirs, ...other.baseDirs] };
  const plan = await loadPlan(both, await loadConf(both, "base"));
  expect(plan.scriptlets.map((s) => [s.name, s.file.startsWith(p.dir), s.debs.map((d) => d.spec)])).toEqual([["minbase", true, []], ["a", true, ["ours"]], ["b", false, ["bb"]]]);
});

test("scriptlets of another conf in place of its own: options for the absent ones are no mistake", async () => {
  const p = project({ "conf/base.ts": confOf('"a"', "options: { a: { x: 1 } },"), "base/a.ts": 'import { defineOptions, int } from "debcast";\nexport const options = defineOptions({ x: int() });\n', "base/b.ts": "" });
  const conf = await loadConf(p, "base");
  const only = { ...conf, scriptlets: ["b"] as unknown as typeof conf.scriptlets };
  expect((await loadPlan(p, only, { partial: true })).scriptlets.map((s) => s.name)).toEqual(["minbase", "b"]);
});

test("whereOf finds the line in an error thrown by run(), even after an await", async () => {
  const p = project({ "base/a.ts": 'import { run } from "debcast";\ninterface Unused { x: number }\n\nrun(async () => {\n  await null;\n  throw new Error("late");\n});\n' });
  const a = (await load(p)).scriptlets.at(-1)!;
  const error = await Promise.resolve(a.run[0]!({} as never)).then(() => undefined, (e: unknown) => e);
  expect({ ...a.whereOf(error), file: "" }).toEqual({ file: "", line: 6, column: 9, scriptlet: "a" });
});

test("values keep what the steps need", async () => {
  const p = project({
    "base/a.ts": `import { buildDeb, download, lines, secret } from "debcast";
const key = secret("wg");
export const content = lines\`
    [Interface]
      PrivateKey=\${key}

    Port=\${51820}
  \`;
export const one = lines\`x=\${key}\`;
export const file = download("https://files.example/x", { sha256: "${"0".repeat(64)}" });
export const deb = buildDeb("package", { name: "own", version: "1" });
export const plain = \`\${lines\`
  a
    b
\`}\`;
`,
    "base/a/package/x": "",
    "base/see.ts": 'import { need, run } from "debcast";\nconst a = need("a" as any);\nrun(() => a as any);\n',
    "conf/base.ts": confOf('"see"'),
  });
  const see = (await load(p)).scriptlets.at(-1)!;
  const a = see.run[0]!({} as never) as unknown as Record<string, unknown>;
  expect(contentParts(a.content)).toEqual(["[Interface]\n  PrivateKey=", { secret: "wg" }, "\n\nPort=51820\n"]);
  expect(contentParts(a.one)).toEqual(["x=", { secret: "wg" }]);
  expect(a.plain).toBe("a\n  b\n");
  expect(downloadOf(a.file)!.url).toBe("https://files.example/x");
  expect(localDebOf(a.deb)!.control).toEqual({ name: "own", version: "1", depends: [], units: [] });
  expect([contentParts(3), downloadOf("x"), localDebOf({})]).toEqual([undefined, undefined, undefined]);
});
