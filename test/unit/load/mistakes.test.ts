// Every mistake that can be made while planning, with the words that a user reads.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { confOf, load, messageOf, mistakeIn, project } from "./project.ts";

test("a scriptlet that does not exist, with the nearest name", async () => {
  expect(await mistakeIn('import { need } from "debcast";\n\nneed("bluze");\n', { "base/bluez.ts": "" })).toMatchInlineSnapshot(`
    "error: base/a.ts:3:1 (a): there is no scriptlet \`bluze\`

    hint: did you mean \`bluez\`?"
  `);
  const p = project({ "conf/base.ts": confOf('"bluze", "sshh"'), "base/bluez.ts": "", "base/ssh.ts": "" });
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`
    "error: conf/base.ts:6:16: there is no scriptlet \`bluze\`

    hint: did you mean \`bluez\`?

    error: conf/base.ts:6:25: there is no scriptlet \`sshh\`

    hint: did you mean \`ssh\`?"
  `);
});

test("a ring, with each line that closes it", async () => {
  expect(await mistakeIn('import { need } from "debcast";\nneed("b");\n', {
    "base/b.ts": 'import { need } from "debcast";\nneed("minbase"), need("c");\n',
    "base/c.ts": 'import { need } from "debcast";\n\nneed("a");\n',
  })).toMatchInlineSnapshot(`
    "error: base/c.ts:3:1 (c): scriptlets wait for each other in a ring: a → b → c → a
      base/a.ts:2:1 (a): \`a\` comes after \`b\`
      base/b.ts:2:18 (b): \`b\` comes after \`c\`
      base/c.ts:3:1 (c): \`c\` comes after \`a\`

    hint: move what both need into a third scriptlet, or take one need() out"
  `);
});

test("a ring by after()", async () => {
  expect(await mistakeIn('import { need } from "debcast";\nneed("b");\n', {
    "base/b.ts": 'import { after } from "debcast";\nafter("a");\n',
  })).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): scriptlets wait for each other in a ring: b → a → b
      base/b.ts:2:1 (b): \`b\` comes after \`a\`
      base/a.ts:2:1 (a): \`a\` comes after \`b\`

    hint: move what both need into a third scriptlet, or take one need() out"
  `);
});

test("a file that cannot be read", async () => {
  const p = project();
  mkdirSync(join(p.dir, "base/a.ts"));
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`"error: base/a.ts: the file cannot be read: it is a directory"`);
});

test("no TypeScript", async () => {
  expect(await mistakeIn('import { need } from "debcast";\nneed("minbase";\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:15: expected \`)\` but found \`;\`
      need("minbase";"
  `);
});

test("a scriptlet that throws: its line, no stack of ours", async () => {
  const message = await mistakeIn('import { conf } from "debcast";\n\nconst users: any = undefined;\nexport const names = users.map((u: any) => u.name + conf.name);\n');
  expect(message).toMatchInlineSnapshot(`"error: base/a.ts:4:28 (a): the scriptlet threw \`TypeError: Cannot read properties of undefined (reading 'map')\`"`);
  expect(message).not.toContain("    at ");
});

test("a helper that throws: the helper's line, the scriptlet's name", async () => {
  expect(await mistakeIn('import { twice } from "./a/twice.ts";\ntwice("x");\n', {
    "base/a/twice.ts": 'export function twice(s: string): string {\n  if (s === "x") throw new RangeError("no x");\n  return s + s;\n}\n',
  })).toMatchInlineSnapshot(`"error: base/a/twice.ts:2:24 (a): the scriptlet threw \`RangeError: no x\`"`);
});

test("fail() with a hint", async () => {
  expect(await mistakeIn('import { fail } from "debcast";\n\n  fail("vpn needs a customer", "set options.site.customer");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:3:3 (a): vpn needs a customer

    hint: set options.site.customer"
  `);
});

test("mistakes of scriptlets that do not need each other are told together, one that several meet once", async () => {
  const p = project({
    "conf/base.ts": confOf('"a", "b", "c"'),
    "base/a.ts": 'import { need } from "debcast";\nneed("broken");\n',
    "base/b.ts": 'import { need } from "debcast";\nneed("broken");\n',
    "base/c.ts": 'import { fail } from "debcast";\nfail("c fails");\n',
    "base/broken.ts": 'import { fail } from "debcast";\nfail("broken fails");\n',
  });
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`
    "error: base/broken.ts:2:1 (broken): broken fails

    error: base/c.ts:2:1 (c): c fails"
  `);
});

test("imports of what a scriptlet may not see", async () => {
  expect(await mistakeIn('import { tty } from "./site.ts";\nexport const x = tty;\n', { "base/site.ts": 'export const tty = "ttyS0";\n' })).toMatchInlineSnapshot(`
    "error: base/a.ts:1:21: \`./site.ts\` belongs to the scriptlet \`site\`, which is asked for and never imported

    hint: const … = need("site");   // plans \`site\` before this one and returns its exports"
  `);
  expect(await mistakeIn('import { x } from "./site/x.ts";\nexport const y = x;\n', { "base/site.ts": "", "base/site/x.ts": "export const x = 1;\n" })).toMatchInlineSnapshot(`
    "error: base/a.ts:1:19: \`./site/x.ts\` belongs to the scriptlet \`site\`, which is asked for and never imported

    hint: const … = need("site");   // plans \`site\` before this one and returns its exports"
  `);
  expect(await mistakeIn('import { readFileSync } from "node:fs";\nexport const x = readFileSync("/etc/passwd");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:1:30: \`node:fs\` is not there: a scriptlet says what it wants and touches nothing itself

    hint: in run(), the steps copy, write and read files, and inImage\`…\` and onHost\`…\` run commands"
  `);
  expect(await mistakeIn('import lodash from "lodash";\nexport const x = lodash;\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:1:20: \`lodash\` is no file: only \`debcast\` and files beside the scriptlet can be imported

    hint: for a file beside it, write "./lodash""
  `);
  expect(await mistakeIn('import key from "../conf/keys/a.pub";\nexport const x = key;\n', { "conf/keys/a.pub": "ssh-ed25519 AAAA\n" })).toMatchInlineSnapshot(`
    "error: base/a.ts:1:17: \`../conf/keys/a.pub\` lies outside of \`base/a/\` and \`lib/\`

    hint: move it to \`base/a/\` or \`lib/\`"
  `);
  expect(await mistakeIn('import x from "./a/x.bin";\nexport const y = x;\n', { "base/a/x.bin": "" })).toMatchInlineSnapshot(`
    "error: base/a.ts:1:15: files that end in \`.bin\` cannot be imported

    hint: text: .pub .conf .cfg .ini .txt .service .socket .timer .target .mount .path .slice .network .netdev .link .rules .nft .sh .py .yaml .yml .toml .xml .html .css .asc .pem .crt .list .sources .preset .desktop .md; data: .json; in run(), copy() takes any file"
  `);
  expect(await mistakeIn('import x from "./a/x";\nexport const y = x;\n', { "base/a/x.ts": "" })).toMatchInlineSnapshot(`
    "error: base/a.ts:1:15: there is no file \`./a/x\`

    hint: import … from "./a/x.ts";"
  `);
  expect(await mistakeIn('export const y = import("./a/x.ts");\n', { "base/a/x.ts": "" })).toMatchInlineSnapshot(`
    "error: base/a.ts:1:25: \`./a/x.ts\` is loaded by dynamic-import; only import statements are known before the work

    hint: import it at the top of the file"
  `);
});

test("top-level await", async () => {
  expect(await mistakeIn("export const x = await Promise.resolve(1);\n")).toMatchInlineSnapshot(`
    "error: base/a.ts:1:18: \`await\` stands at the top level, but loading waits for nothing

    hint: await inside of run(async (c) => { … })"
  `);
});

test("process and code from strings are not there", async () => {
  expect(await mistakeIn("\nexport const home = (globalThis as any).process.env.HOME;\n")).toMatchInlineSnapshot(`"error: base/a.ts:2:49 (a): the scriptlet threw \`TypeError: Cannot read properties of undefined (reading 'env')\`"`);
  expect(await mistakeIn('export const x = new Function("return 1")();\n')).toMatchInlineSnapshot(`"error: base/a.ts:1:18 (a): the scriptlet threw \`EvalError: Code generation from strings disallowed for this context\`"`);
});

test("a misspelt import from debcast, and a misspelt value of conf", async () => {
  expect(await mistakeIn('import { instalDeb } from "debcast";\ninstalDeb("curl");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): \`debcast\` has no \`instalDeb\`

    hint: did you mean \`installDeb\`?"
  `);
  expect(await mistakeIn('import { conf } from "debcast";\nexport const x = conf.hostnam;\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:23 (a): \`conf\` has no \`hostnam\`

    hint: did you mean \`hostname\`?"
  `);
  expect(await mistakeIn('import { conf } from "debcast";\n(conf as any).hostname = "x";\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:15 (a): \`conf.hostname\` is read-only

    hint: what differs between images is set in conf/*.ts"
  `);
});

test("a call after loading", async () => {
  const p = project({ "base/a.ts": 'import { installDeb, run } from "debcast";\n\nrun(() => {\n  installDeb("curl");\n});\n' });
  const a = (await load(p)).scriptlets.find((s) => s.name === "a")!;
  expect(await messageOf(p, async () => a.run[0]!({} as never))).toMatchInlineSnapshot(`
    "error: base/a.ts:4:3 (a): \`installDeb()\` was called after loading, when the plan is made already

    hint: call it at the top level of base/a.ts"
  `);
});

test("a secret made a string, in each way", async () => {
  expect(await mistakeIn('import { secret } from "debcast";\nconst psk = secret("wifi");\nexport const line = `psk=${psk}`;\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:3:28 (a): the secret \`wifi\` was made a string

    hint: give it whole to write(), append(), unit(), a password, env or stdin; lines\`…\${secret}…\` puts it into a text"
  `);
  for (const how of ["String(psk)", '"" + psk', "JSON.stringify({ psk })", "[psk].join()", "psk.toString()"]) {
    expect(await mistakeIn(`import { secret } from "debcast";\nconst psk: any = secret("wifi");\nexport const x = ${how};\n`)).toContain("the secret `wifi` was made a string");
  }
});

test("names of packages that are none", async () => {
  expect(await mistakeIn('import { installDeb } from "debcast";\ninstalled("x");\nfunction installed(p: string) { installDeb("curl wget"); }\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:3:33 (a): \`curl wget\` is no name of a package

    hint: installDeb("curl", "wget");"
  `);
  expect(await mistakeIn('import { installDeb } from "debcast";\ninstallDeb("Curl");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): \`Curl\` is no name of a package

    hint: installDeb("curl");"
  `);
  expect(await mistakeIn('import { installDeb } from "debcast";\ninstallDeb("./x.deb");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): there is no file \`./x.deb\` in the scriptlet's folder

    hint: put it at base/a/x.deb"
  `);
  expect(await mistakeIn('import { installDeb } from "debcast";\ninstallDeb("x.deb");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): \`x.deb\` is no name of a package

    hint: for a file beside the scriptlet: installDeb("./x.deb");"
  `);
  expect(await mistakeIn('import { buildDeb } from "debcast";\nbuildDeb("package", { name: "x", version: "1" });\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): buildDeb() finds no directory \`base/a/package\`

    hint: it holds the files of the package, laid out as in the image"
  `);
});

test("downloads, debconf answers and excludes that are none", async () => {
  expect(await mistakeIn('import { download } from "debcast";\ndownload("https://files.example/x", { sha256: "abc" });\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): download() of \`https://files.example/x\` has no SHA-256 of 64 hex digits

    hint: download("https://files.example/x", { sha256: "…" });   # sha256sum of the file that you trust"
  `);
  expect(await mistakeIn('import { debconf } from "debcast";\ndebconf("locales en_GB");\n')).toMatchInlineSnapshot(`
    "error: base/a.ts:2:1 (a): \`locales en_GB\` is no debconf answer

    hint: debconf("PACKAGE PACKAGE/QUESTION TYPE VALUE");"
  `);
  expect(await mistakeIn('import { exclude } from "debcast";\nexclude("usr/share/doc" as any);\n')).toMatchInlineSnapshot(`"error: base/a.ts:2:1 (a): \`usr/share/doc\` is no path from \`/\`"`);
});
