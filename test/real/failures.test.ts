// What fails while an image is made: the message says whose fault it is, the tree waits for a look, and the last good image stays.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debcast, debcastOk, isRoot, project, skipUnless } from "./debcast.ts";
import { said, smallConf } from "./said.ts";

const runs = skipUnless(isRoot && spawnSync("dpkg-deb", ["--version"]).status === 0, "needs root, and dpkg-deb to make a broken package with");

const p = project({
  "conf/base.ts": smallConf(["works"]),
  "conf/script.ts": smallConf(["works", "broken"]),
  "conf/command.ts": smallConf(["works", "shaky"]),
  "base/works.ts": `import { run } from "debcast";\nrun(({ write }) => { write("/etc/works", "yes\\n"); });\n`,
  "base/broken.ts": `import { installDeb, need } from "debcast";\nneed("works");\ninstallDeb("./broken.deb");\n`,
  "base/shaky.ts": `import { need, run } from "debcast";
need("works");
run(({ write, inImage }) => {
  write("/etc/before", "written\\n");
  inImage\`
    echo one >&2
    ls \${"/no such file"}
  \`;
  write("/etc/after", "never\\n");
});
`,
});
const at = { cwd: p.dir };

beforeAll(async () => {
  if (runs.skip) return;
  brokenDeb(join(p.dir, "base/broken"));
  await debcastOk(["image"], at);
});
afterAll(() => p[Symbol.dispose]());

/** Its postinst speaks, leaves a file, and fails. */
function brokenDeb(dir: string): void {
  const tree = join(dir, "tree");
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  writeFileSync(join(tree, "DEBIAN/control"), "Package: broken\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: fails\n");
  writeFileSync(join(tree, "DEBIAN/postinst"), "#!/bin/sh\nset -e\necho setting something up\nid -u >/etc/broken-was-here\necho 'cannot reach the thing' >&2\nexit 7\n");
  chmodSync(join(tree, "DEBIAN/postinst"), 0o755);
  execFileSync("dpkg-deb", ["--root-owner-group", "-b", tree, join(dir, "broken.deb")], { stdio: "ignore" });
}

test("a maintainer script that fails: whose it is, what it said, and a shell there", runs, async () => {
  const r = await debcast(["image", "-c", "script"], at);
  expect(said(r.stderr, p.dir)).toMatchInlineSnapshot(`
    "error: base/broken.ts:3:1 (broken): the postinst script of \`broken\` (1.0) ended with status 7
      Setting up broken (1.0) ...
      setting something up
      cannot reach the thing
      dpkg: error processing package broken (--configure):
       installed broken package post-installation script subprocess returned error exit status 7

    hint: \`debcast shell -c script --failed\` opens a shell where it happened
          \`debcast log -c script broken\` shows all that it said"
  `);
  expect(r.status).toBe(1);
  expect(existsSync(join(p.dir, "image/script"))).toBe(false);

  const look = await debcast(["shell", "--failed", "-c", "script", "--", "sh", "-c", "cat /etc/broken-was-here; dpkg-query -W -f '${db:Status-Abbrev}\\n' broken; exit 5"], at);
  expect(look.stdout).toBe("0\niF \n");
  expect(look.status).toBe(5);

  const log = await debcastOk(["log", "broken", "-c", "script"], at);
  expect(said(log.stdout, p.dir)).toMatchInlineSnapshot(`
    "Setting up broken (1.0) ...
    setting something up
    cannot reach the thing
    dpkg: error processing package broken (--configure):
     installed broken package post-installation script subprocess returned error exit status 7"
  `);
});

test("a command that fails: scriptlet and line, its last lines, and a shell there", runs, async () => {
  const r = await debcast(["image", "-c", "command"], at);
  expect(said(r.stderr, p.dir)).toMatchInlineSnapshot(`
    "error: base/shaky.ts:5:3 (shaky): \`echo one >&2
        ls '/no such file'\` ended with status 2
      one
      ls: cannot access '/no such file': No such file or directory

    hint: \`debcast shell -c command --failed\` opens a shell in the image as it was then"
  `);
  expect(r.status).toBe(1);

  const look = await debcastOk(["shell", "--failed", "-c", "command", "--", "sh", "-c", "cat /etc/works /etc/before; ls /etc/after || true"], at);
  expect(look.stdout).toBe("yes\nwritten\n");
  const log = await debcastOk(["log", "shaky", "-c", "command"], at);
  expect(log.stdout).toBe("one\nls: cannot access '/no such file': No such file or directory\n");
});

test("the error as JSON has place, reason, last lines and hint", runs, async () => {
  const r = await debcast(["image", "-c", "command", "--json"], at);
  expect(r.stdout).toBe("");
  const { errors } = JSON.parse(r.stderr) as { errors: { code: string; where: { file: string; line: number; scriptlet: string }; details: string; hint: string }[] };
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ code: "shell.failed", where: { file: join(p.dir, "base/shaky.ts"), line: 5, scriptlet: "shaky" } });
  expect(errors[0]!.details).toContain("/no such file");
  expect(errors[0]!.hint).toContain("debcast shell -c command --failed");
});

test("a build that fails leaves the image of the last good one, and a good one takes the failed tree away", runs, async () => {
  const before = statSync(join(p.dir, "image/base"));
  const works = readFileSync(join(p.dir, "base/works.ts"), "utf8");
  writeFileSync(join(p.dir, "base/works.ts"), works.replace("write(", 'write("/etc/newer", ""); write("/etc/no", ""); throw new Error("changed my mind"); write('));
  const r = await debcast(["image"], at);
  expect(said(r.stderr, p.dir)).toMatchInlineSnapshot(`"error: base/works.ts:2:75 (works): the scriptlet threw \`Error: changed my mind\`"`);
  expect(r.status).toBe(1);
  expect(statSync(join(p.dir, "image/base")).ino).toBe(before.ino);
  expect(readFileSync(join(p.dir, "image/base/etc/works"), "utf8")).toBe("yes\n");
  expect(existsSync(join(p.dir, "image/base/etc/newer"))).toBe(false);

  writeFileSync(join(p.dir, "base/works.ts"), works);
  await debcastOk(["image"], at);
  const none = await debcast(["shell", "--failed"], at);
  expect(said(none.stderr, p.dir)).toMatchInlineSnapshot(`
    "error: no failed build of \`base\` is there

    hint: debcast shell"
  `);
  expect(none.status).toBe(1);
});
