// A big package that no scriptlet has: its lines are written for one, and the set that they make is proved complete.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { debcast, debcastOk, project } from "./debcast.ts";
import { said, smallConf } from "./said.ts";

const p = project({ "conf/base.ts": smallConf() });
const at = { cwd: p.dir };
afterAll(() => p[Symbol.dispose]());
const inConf = (...names: string[]) => writeFileSync(join(p.dir, "conf/base.ts"), smallConf(names));

interface Problem {
  readonly code: string;
  readonly message: string;
  readonly where: { readonly scriptlet: string; readonly line: number };
  readonly hint: string;
}

test("without its dependencies it is refused: all that is missing, each with a line to paste, and how to get all lines", async () => {
  using bare = project({ "conf/base.ts": smallConf(["browser"]), "base/browser.ts": `import { installDeb } from "debcast";\ninstallDeb("chromium");\n` });
  const r = await debcast(["check", "--json"], { cwd: bare.dir });
  expect(r.status).toBe(1);
  const { errors } = JSON.parse(r.stderr) as { errors: Problem[] };
  expect(errors.length).toBeGreaterThan(30);
  for (const e of errors) {
    expect(e.message).toMatch(/^`chromium(-common)?` (pre-)?depends on `[^`]+`, which no scriptlet installs$/);
    expect(e.where).toMatchObject({ scriptlet: "browser", line: 2 });
    expect(e.hint).toMatch(/^(need|installDeb)\("[^"]+"\);/);
  }
  expect(new Set(errors.map((e) => e.message)).size).toBe(errors.length);
  expect(errors.at(-1)!.hint.split("\n").at(-1)).toBe("debcast deps chromium --write browser");
});

test("deps --write makes the scriptlet, and with it in the conf the set is complete", async () => {
  const r = await debcastOk(["deps", "chromium", "--write", "browser"], at);
  expect(r.stdout).toMatch(/^base\/browser\.ts: needs \d+ scriptlets, installs \d+ packages\n$/);
  expect(said(r.stderr, p.dir)).toMatchInlineSnapshot(`"next: add "browser" to the scriptlets of conf/base.ts, then debcast check"`);
  const text = readFileSync(join(p.dir, "base/browser.ts"), "utf8");
  expect(text).toMatch(/^\/\/ .*\nimport \{ need, installDeb \} from "debcast";\n\nneed\(/);
  expect(text).toContain('installDeb("chromium");');

  inConf("browser");
  const checked = await debcastOk(["check"], at);
  expect(checked.stdout).toMatch(/^base: \d+ scriptlets, \d+ packages, no mistakes\n$/);
});

test("asked for more, the scriptlet gets what it lacks and keeps the rest", async () => {
  const file = join(p.dir, "base/browser.ts");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, `${before}\n// mine\n`);
  await debcastOk(["deps", "chromium", "hello", "--write", "base/browser.ts"], at);
  const after = readFileSync(file, "utf8");
  expect(after).toContain("hello");
  expect(after).toContain("// mine");
  expect(after.match(/from "debcast"/g)).toHaveLength(1);
  await debcastOk(["check"], at);
});

test("without --write the lines go to stdout, and a name that is wrong is told", async () => {
  inConf();
  const r = await debcastOk(["deps", "hello"], at);
  expect(r.stdout).toBe('installDeb("hello");\n');
  const wrong = await debcast(["deps", "hllo", "chromum"], at);
  expect(wrong.status).toBe(1);
  expect(said(wrong.stderr, p.dir)).toMatchInlineSnapshot(`
    "error: there is no package \`hllo\` in \`trixie\` for \`amd64\`

    hint: did you mean \`hello\`?

    error: there is no package \`chromum\` in \`trixie\` for \`amd64\`

    hint: did you mean \`chromium\`?"
  `);
  const bad = await debcast(["deps", "hello", "--write", "base/No Good.ts"], at);
  expect(bad.status).toBe(1);
  expect(said(bad.stderr, p.dir)).toMatchInlineSnapshot(`
    "error: \`base/No Good.ts\` is no name for a scriptlet

    hint: debcast deps PKG --write base/NAME.ts"
  `);
});
