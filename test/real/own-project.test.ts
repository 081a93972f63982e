// A project of one's own, from an empty directory: no node_modules there, the editor's check works, and a secret stays one.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { shelfDir } from "../../lib/layers/shelf.ts";
import { debcast, debcastOk, isRoot, project, skipUnless } from "./debcast.ts";
import { said, smallConf } from "./said.ts";

const runs = skipUnless(isRoot, "looks at every file of an image, so it needs root");

const value = "s3cret-Value/of+acme:0815";
const p = project({});
const dir = join(p.dir, "mine");
// Caches of its own: the search below must see all that a build leaves.
const at = { cwd: dir, downloads: join(dir, "downloads") };

const scriptlet = `// A service of ours.
import { defineOptions, installDeb, lines, need, oneOf, run, secret, text } from "debcast";

export const options = defineOptions({ place: text(), level: oneOf("low", "high"), retries: 3 });
const key = secret("acme-key");

need("minbase");
installDeb("hello");

run(({ write, inImage }) => {
  write("/etc/acme.conf", lines\`
    place=\${options.place} level=\${options.level} retries=\${options.retries}
    key=\${key}
  \`, { mode: 0o600 });
  inImage.with({ env: { KEY: key }, stdin: key })\`echo "the key is $KEY"; cat; echo; printf %s "$KEY" | base64\`;
});
`;

beforeAll(async () => {
  if (runs.skip) return;
  await debcastOk(["init", "mine"], { cwd: p.dir });
  writeFileSync(join(dir, "base/acme.ts"), scriptlet);
  mkdirSync(join(dir, "secrets"));
  writeFileSync(join(dir, "secrets/acme-key"), `${value}\n`);
  conf('acme: { place: "Ulm", level: "high" }');
});
afterAll(() => p[Symbol.dispose]());

const conf = (options: string) => writeFileSync(join(dir, "conf/base.ts"), smallConf(["acme"], `options: { ${options} },`));

/** Paths in the project whose bytes hold the value in any form. */
function holding(): string[] {
  const inBase64 = [0, 1, 2].map((n) => base64Core(value, n));
  const forms = [value, Buffer.from(value).toString("hex"), encodeURIComponent(value), ...inBase64].map((f) => Buffer.from(f));
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .filter((f) => lstatSync(f).size > 0)
    .filter((f) => {
      const bytes = readFileSync(f);
      return forms.some((form) => bytes.includes(form));
    })
    .map((f) => f.slice(dir.length + 1).replace(/^(downloads\/layers)\/[^/]+\/[^/]+\//, "$1/MAP/LAYER/"))
    .sort();
}

/** What base64 makes of `text` when `before` bytes of a group of three come before it, less what its neighbours have a part in. */
function base64Core(text: string, before: number): string {
  const all = Buffer.from("\0".repeat(before) + text).toString("base64").replace(/=+$/, "");
  return all.slice(before === 0 ? 0 : before + 1, -1);
}

function types(where: string): string {
  const r = spawnSync(join(engineRoot, "node_modules/.bin/tsc"), ["-p", where, "--pretty", "false"], { cwd: where, encoding: "utf8" });
  return r.stdout + r.stderr;
}

test("init makes a project that passes its check, and not twice", runs, async () => {
  using empty = project({});
  const r = await debcastOk(["init", "box"], { cwd: empty.dir });
  expect(r.stdout).toMatchInlineSnapshot(`
    "box/conf/base.ts
    box/base/hello.ts
    box/tsconfig.json
    box/.gitignore
    box/README.md
    "
  `);
  expect(said(r.stderr, empty.dir)).toMatchInlineSnapshot(`"next: debcast image -C box"`);
  await debcastOk(["check"], { cwd: join(empty.dir, "box") });
  expect(types(join(empty.dir, "box"))).toBe("");
  const again = await debcast(["init", "box"], { cwd: empty.dir });
  expect(said(again.stderr, empty.dir)).toMatchInlineSnapshot(`
    "error: \`PROJECT/box\` has \`conf/base.ts\`, \`base/hello.ts\`, \`tsconfig.json\`, \`.gitignore\`, \`README.md\` already, and init overwrites nothing

    hint: it looks like a project: debcast image -C PROJECT/box"
  `);
  expect(again.status).toBe(1);
});

test("an option that the conf must set is asked for", runs, async () => {
  conf("");
  const r = await debcast(["check"], at);
  expect(said(r.stderr, dir)).toMatchInlineSnapshot(`
    "error: conf/base.ts:2:103: the scriptlet \`acme\` needs its option \`place\`, which conf \`base\` does not set: text

    hint: options: { acme: { place: "…" } },

    error: conf/base.ts:2:103: the scriptlet \`acme\` needs its option \`level\`, which conf \`base\` does not set: \`"low"\` or \`"high"\`

    hint: options: { acme: { level: "low" } },"
  `);
  expect(r.status).toBe(1);
  conf('acme: { place: "Ulm", level: "high" }');
});

test("a secret that is not given is asked for before the work, and only by who needs its value", runs, async () => {
  execFileSync("mv", ["secrets/acme-key", "secrets/gone"], { cwd: dir });
  const r = await debcast(["image"], at);
  const plan = await debcast(["plan"], at);
  execFileSync("mv", ["secrets/gone", "secrets/acme-key"], { cwd: dir });
  expect(said(r.stderr, dir)).toMatchInlineSnapshot(`
    "error: base/acme.ts (acme): the secret \`acme-key\` is not given

    hint: write it into secrets/acme-key (git ignores that directory), or set DEBCAST_SECRET_ACME_KEY"
  `);
  expect(r.status).toBe(1);
  expect(plan.status).toBe(0);
});

test("the image is made, and the secret is where it was written and nowhere else", runs, async () => {
  const outputs = [await debcastOk(["image", "--verbose", "--trace", "trace.json"], at)];
  for (const args of ["plan", "plan --json", "image --json", "check --json", "log", "log acme", "log acme --json", "why /etc/acme.conf --json", "lock --json"]) {
    outputs.push(await debcastOk(args.split(" "), at));
  }
  expect(outputs.filter((o) => `${o.stdout}${o.stderr}`.includes(value))).toEqual([]);
  expect((await debcastOk(["log", "acme"], at)).stdout).toBe("the key is ***\n***\n***==\n");
  expect(existsSync(join(dir, "trace.json"))).toBe(true);
  expect(readFileSync(join(dir, "image/base/etc/acme.conf"), "utf8")).toBe(`place=Ulm level=high retries=3\nkey=${value}\n`);
  // A layer is part of an image, and lies where only its owner may look.
  expect(holding()).toEqual(["downloads/layers/MAP/LAYER/etc/acme.conf", "image/base/etc/acme.conf", "secrets/acme-key"]);
  expect(statSync(dirname(shelfDir(join(dir, "downloads")))).mode & 0o777).toBe(0o700);
});

test("a command that fails and tells the secret is masked", runs, async () => {
  writeFileSync(join(dir, "base/acme.ts"), scriptlet.replace("echo \"the key is $KEY\"; cat; echo; printf %s \"$KEY\" | base64`", "echo \"lost $KEY\" >&2; exit 4`"));
  const r = await debcast(["image", "--trace", "trace.json"], at);
  expect(r.status).toBe(1);
  expect(said(r.stderr, dir)).toMatchInlineSnapshot(`
    "error: base/acme.ts:15:49 (acme): \`echo "lost $KEY" >&2; exit 4\` ended with status 4
      lost ***

    hint: \`debcast shell --failed\` opens a shell in the image as it was then"
  `);
  const json = await debcast(["image", "--json"], at);
  expect(json.stderr).toContain("lost ***");
  expect(json.stderr).not.toContain(value);
  writeFileSync(join(dir, "base/acme.ts"), scriptlet);
  // The failed tree is an image too: it has the file that was written.
  expect(holding()).toEqual(["downloads/layers/MAP/LAYER/etc/acme.conf", "image/.base.failed/top/etc/acme.conf", "image/base/etc/acme.conf", "secrets/acme-key"]);
});

test("an editor's check is clean, knows debcast's names, and wants no node_modules", runs, async () => {
  expect(types(dir)).toBe("");
  writeFileSync(join(dir, "base/wrong.ts"), 'import { need } from "debcast";\nneed("hllo");\nneed("acme").options.place = 3;\n');
  expect(said(types(dir), dir)).toMatchInlineSnapshot(`
    "base/wrong.ts(2,6): error TS2345: Argument of type '"hllo"' is not assignable to parameter of type 'Name'.
    base/wrong.ts(3,22): error TS2540: Cannot assign to 'place' because it is a read-only property."
  `);
  const r = await debcast(["check"], at);
  expect(said(r.stderr, dir)).toMatchInlineSnapshot(`
    "error: base/wrong.ts:2:6 (wrong): argument of type \`"hllo"\` is not assignable to parameter of type \`Name\` (TS2345)

    hint: did you mean \`hello\`?

    error: base/wrong.ts:3:22 (wrong): cannot assign to \`place\` because it is a read-only property (TS2540)"
  `);
  expect(r.status).toBe(1);
  // What completion offers.
  const names = readFileSync(join(dir, ".debcast/names.d.ts"), "utf8");
  expect(names).toContain('"acme": typeof import("../base/acme.ts");');
  expect(names).toContain('"hello": 1;');
  expect([dir, p.dir].filter((d) => existsSync(join(d, "node_modules")))).toEqual([]);
});
