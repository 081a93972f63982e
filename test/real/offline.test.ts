// After `fetch` nothing touches the network; and what lies in downloads/ is what was verified, or is noticed.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { command, debcastOk, isRoot, project, skipUnless, type Ran } from "./debcast.ts";
import { said, smallConf } from "./said.ts";

const runs = skipUnless(isRoot && spawnSync("unshare", ["-n", "true"]).status === 0, "needs root, to take the network away");

const p = project({ "conf/base.ts": smallConf() });
// A cache of its own, because its files are spoilt.
const at = { cwd: p.dir, downloads: join(p.dir, "downloads") };

beforeAll(async () => {
  if (runs.skip) return;
  await debcastOk(["fetch"], at);
});
afterAll(() => p[Symbol.dispose]());

function offline(args: readonly string[]): Ran {
  const r = spawnSync("unshare", ["-n", process.execPath, command, ...args], { cwd: p.dir, env: { ...process.env, DEBCAST_DOWNLOADS: at.downloads, NO_COLOR: "1" }, encoding: "utf8" });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}

/** Changes one byte in the middle, and nothing else that a look at the directory would show. */
function spoil(file: string): void {
  const s = statSync(file);
  const fd = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, s.size >> 1);
  writeSync(fd, Buffer.from([byte[0]! ^ 1]), 0, 1, s.size >> 1);
  closeSync(fd);
  execFileSync("touch", ["-d", `@${s.mtimeMs / 1000}`, file]);
}

// Which mirror, and how its silence shows, depends on this machine.
const why = (stderr: string) => said(stderr, p.dir).replace(/URL:? .*/g, "URL: REASON");
const debOf = (name: string) => execFileSync("find", [at.downloads, "-path", `*/deb.*/${name}_*.deb`], { encoding: "utf8" }).trim();
const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

test("after fetch, image and tar need no network", runs, () => {
  const r = offline(["image"]);
  expect(r.stderr + r.stdout).toContain("image/base: ");
  expect(r.status).toBe(0);
  expect(offline(["tar", "-o", "x.tar"]).status).toBe(0);
  expect(existsSync(join(p.dir, "x.tar"))).toBe(true);
});

test("a changed byte in a cached .deb: offline refused, online fetched again", runs, async () => {
  const deb = debOf("hostname");
  const right = sha256(deb);
  spoil(deb);
  expect(sha256(deb)).not.toBe(right);
  // With nothing to unpack, nobody would look.
  const refused = offline(["image", "--no-cache"]);
  expect(why(refused.stderr)).toMatchInlineSnapshot(`
    "error: \`hostname_3.25_amd64.deb\` could not be fetched (what is in downloads/ is damaged)
      URL: REASON

    hint: look at the network; another mirror can be named with \`--mirror\`"
  `);
  expect(refused.status).toBe(1);

  const again = await debcastOk(["fetch"], at);
  expect(again.stdout).toMatch(/^\d+ files in downloads, [\d.]+ kB fetched\n$/);
  expect(sha256(deb)).toBe(right);
  expect(offline(["image"]).status).toBe(0);
});

test("a changed byte is also noticed by a build, which fetches the file and goes on", runs, async () => {
  const deb = debOf("hostname");
  const right = sha256(deb);
  spoil(deb);
  await debcastOk(["image", "--no-cache"], at);
  expect(sha256(deb)).toBe(right);
});

test("without a lock and without a network it says so", runs, () => {
  rmSync(join(p.dir, "conf/base.lock"));
  const r = offline(["image"]);
  expect(why(r.stderr)).toMatchInlineSnapshot(`
    "error: \`dists/trixie/InRelease\` could not be fetched
      URL: REASON

    hint: is this machine online? Another mirror is tried first with \`--mirror\`, or \`mirrors: ["URL"],\` in the conf"
  `);
  expect(r.status).toBe(1);
});
