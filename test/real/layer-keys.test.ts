// What a layer is known by: whatever it was made of, the image is the one that a build from nothing makes.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debcastOk, project } from "./debcast.ts";
import { smallConf } from "./said.ts";

const writes = 'import { run } from "debcast";\nrun(({ write }) => { write("/etc/dpkg/dpkg.cfg.d/x", "x\\n"); });\n';
const removes = writes.replace("{ write }", "{ remove, write }").replace("write(", 'remove("/etc/dpkg/dpkg.cfg.d"); write(');

let p: ReturnType<typeof project>;
const put = (path: string, text: string) => writeFileSync(join(p.dir, path), text);
const image = (path: string) => join(p.dir, "image/base", path);
const read = (path: string) => readFileSync(image(path), "utf8");
const build = (...args: string[]) => debcastOk(["image", "-C", p.dir, ...args]);

beforeAll(async () => {
  p = project({
    "conf/base.ts": smallConf(["packages", "dir", "value", "linked", "late"], 'listens: ["tcp:1"]'),
    "base/packages.ts": 'import { before, installDeb } from "debcast";\ninstallDeb("hello");\nbefore(({ write }) => { write("/etc/dpkg/dpkg.cfg.d/own", "# own\\n"); });\n',
    "base/dir.ts": writes,
    "base/value.ts": 'import { conf, run } from "debcast";\nrun(({ inImage }) => { inImage`echo ${conf.listens![0]!} > /etc/value`; });\n',
    "base/linked.ts": 'import { run } from "debcast";\nrun(({ copy }) => { copy("shared/file", "/etc/linked"); });\n',
    "base/late.ts": 'import { run } from "debcast";\nrun(({ inImage }) => { inImage`ls /etc/dpkg/dpkg.cfg.d > /etc/late`; });\n',
  });
  mkdirSync(join(p.dir, "base/linked"));
  mkdirSync(join(p.dir, "shared"));
  put("shared/file", "one\n");
  symlinkSync("../../shared", join(p.dir, "base/linked/shared"));
  await build();
});
afterAll(() => p[Symbol.dispose]());

test("a directory that is removed and made anew is not the old one with more in it", async () => {
  expect(readdirSync(image("etc/dpkg/dpkg.cfg.d")).sort()).toEqual(["own", "x"]);
  put("base/dir.ts", removes);
  await build();
  expect([readdirSync(image("etc/dpkg/dpkg.cfg.d")), read("etc/late")]).toEqual([["x"], "x\n"]);
  put("base/dir.ts", writes);
  await build();
  expect([readdirSync(image("etc/dpkg/dpkg.cfg.d")).sort(), read("etc/late")]).toEqual([["own", "x"], "own\nx\n"]);
});

test("a directory of links to units that is emptied and made anew is not the old one with more in it", async () => {
  const timer = (name: string, first = "") => `import { run } from "debcast";\nrun(({ unit, disable }) => {\n  ${first}\n  unit("${name}.timer", "[Timer]\\nOnBootSec=1\\n[Install]\\nWantedBy=timers.target\\n", { enable: true });\n});\n`;
  const conf = readFileSync(join(p.dir, "conf/base.ts"), "utf8");
  const enabled = () => readdirSync(image("etc/systemd/system/timers.target.wants")).sort();
  put("base/one.ts", timer("one"));
  put("base/two.ts", timer("two"));
  put("conf/base.ts", conf.replace('"packages"', '"packages", "systemd", "one", "two"'));
  await build();
  expect(enabled()).toEqual(["fstrim.timer", "one.timer", "two.timer"]);
  put("base/two.ts", timer("two", 'disable("one.timer", "fstrim.timer");'));
  await build();
  expect(enabled()).toEqual(["two.timer"]);
  put("base/two.ts", timer("two"));
  await build();
  expect(enabled()).toEqual(["fstrim.timer", "one.timer", "two.timer"]);
  put("conf/base.ts", conf);
});

test("a value of the conf that was read when it ran", async () => {
  expect(read("etc/value")).toBe("tcp:1\n");
  put("conf/base.ts", readFileSync(join(p.dir, "conf/base.ts"), "utf8").replace('"tcp:1"', '"tcp:2"'));
  await build();
  expect(read("etc/value")).toBe("tcp:2\n");
});

test("what a link in a scriptlet's folder leads to", async () => {
  expect(read("etc/linked")).toBe("one\n");
  put("shared/file", "two\n");
  await build();
  expect(read("etc/linked")).toBe("two\n");
});

test("links that lead out of the project: as they are in the image; a file behind one is copied at each build", async () => {
  const [outside, own] = [mkdtempSync(join(tmpdir(), "debcast-test-")), join(p.dir, "base/linked")];
  writeFileSync(join(outside, "file"), "one\n");
  symlinkSync("/proc/self/stat", join(own, "stat"));
  symlinkSync("round", join(own, "round"));
  symlinkSync("/nowhere", join(own, "dangling"));
  await build();
  expect(await build()).toMatchObject({ stdout: expect.stringContaining("nothing changed") });
  symlinkSync(outside, join(own, "outside"));
  put("base/linked.ts", 'import { run } from "debcast";\nrun(({ copy }) => { copy("outside/file", "/etc/linked"); });\n');
  await build();
  writeFileSync(join(outside, "file"), "two\n");
  expect(await build()).toMatchObject({ stderr: expect.stringContaining(": linked, it reads more than its own files, and is run each time") });
  expect(read("etc/linked")).toBe("two\n");
  rmSync(outside, { recursive: true });
  for (const name of ["stat", "round", "dangling", "outside"]) rmSync(join(own, name));
  put("base/linked.ts", 'import { run } from "debcast";\nrun(({ copy }) => { copy("shared/file", "/etc/linked"); });\n');
});

/** Builds, and does something once a scriptlet `slow` is at it. */
async function buildWhile(work: () => void): Promise<void> {
  put("base/slow.ts", 'import { run } from "debcast";\nrun(({ inImage }) => { inImage`echo begun; sleep 3`; });\n');
  const log = join(p.dir, "out/base.log/scriptlet-slow.log");
  rmSync(log, { force: true });
  const building = build("--no-cache");
  const begun = async () => {
    while (!existsSync(log) || !readFileSync(log, "utf8").includes("begun")) await sleep(20);
  };
  await Promise.race([building, begun()]);
  work();
  await building;
}

test("a scriptlet that is saved while the build is under way is run as it is now the next time", async () => {
  const saved = (text: string) => put("base/saved.ts", `import { run } from "debcast";\nrun(({ write }) => { write("/etc/saved", "${text}\\n"); });\n`);
  saved("first");
  const conf = readFileSync(join(p.dir, "conf/base.ts"), "utf8");
  put("conf/base.ts", conf.replace('"late"', '"late", "slow", "saved"'));
  await buildWhile(() => saved("second"));
  expect(read("etc/saved")).toBe("first\n");
  await build();
  expect(read("etc/saved")).toBe("second\n");
  put("conf/base.ts", conf);
});

test("a lock that is written while the build is under way counts the next time", async () => {
  const lock = join(p.dir, "conf/base.lock");
  const conf = readFileSync(join(p.dir, "conf/base.ts"), "utf8");
  put("conf/base.ts", conf.replace('"late"', '"late", "slow"'));
  await build();
  const had = readFileSync(lock, "utf8");
  const without = had.split("\n\n").filter((stanza) => !/^Package: hello$/m.test(stanza)).join("\n\n");
  expect(without).not.toBe(had);
  await buildWhile(() => writeFileSync(lock, without));
  expect(readFileSync(lock, "utf8")).toBe(without);
  await build();
  expect(readFileSync(lock, "utf8")).toBe(had);
  put("conf/base.ts", conf);
});

test("with --keep-edits what was added by hand stays, and what was removed stays away, beside what the build brings", async () => {
  await build();
  writeFileSync(image("etc/dpkg/dpkg.cfg.d/mine"), "# mine\n");
  rmSync(image("etc/dpkg/origins"), { recursive: true });
  put("base/dir.ts", writes.replaceAll("dpkg.cfg.d/x", "dpkg.cfg.d/y"));
  await build("--keep-edits");
  expect([readdirSync(image("etc/dpkg/dpkg.cfg.d")).sort(), existsSync(image("etc/dpkg/origins"))]).toEqual([["mine", "own", "y"], false]);
  await build();
  expect([readdirSync(image("etc/dpkg/dpkg.cfg.d")).sort(), existsSync(image("etc/dpkg/origins"))]).toEqual([["own", "y"], true]);
});
