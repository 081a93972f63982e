// Builds that are ended in the middle leave nothing behind, and the next one succeeds. A few moments here; test/long/ has many.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { command, debcastOk, isRoot, project, sharedDownloads, skipUnless } from "./debcast.ts";
import { killAt, type KillOptions } from "./kill.ts";
import { smallConf } from "./said.ts";

const runs = skipUnless(isRoot, "needs root: the processes of another user's sandbox cannot be looked at");
const p = project({ "conf/small.ts": smallConf() });
let whole = 0;

const kill = (o: Pick<KillOptions, "after" | "signal">, argv: readonly string[] = [command, "image", "-c", "small", "--no-cache"]) =>
  killAt({ argv: [process.execPath, ...argv], dir: p.dir, env: { DEBCAST_DOWNLOADS: sharedDownloads }, ...o });

beforeAll(async () => {
  if (runs.skip) return;
  await debcastOk(["image", "-c", "small"], { cwd: p.dir });
  const start = performance.now();
  await debcastOk(["image", "-c", "small", "--no-cache"], { cwd: p.dir });
  whole = performance.now() - start;
});
afterAll(() => p[Symbol.dispose]());

test.for(["SIGKILL", "SIGINT"] as const)("%s in the middle", runs, async (signal) => {
  for (const part of [0.35, 0.7]) {
    const r = await kill({ signal, after: whole * part });
    expect(r.left, `at ${part} of a build`).toEqual([]);
    if (signal === "SIGINT" && !r.finished) expect(r.status).toBe(130);
  }
  await debcastOk(["image", "-c", "small"], { cwd: p.dir });
  expect(existsSync(join(p.dir, "image/small/etc/passwd"))).toBe(true);
});

test("the outer process alone, the inner one with all its children", runs, async () => {
  const script = `"$0" "$@" & sleep ${whole * 0.6 / 1000}; kill -9 $!; wait`;
  const r = await killAt({ argv: ["bash", "-c", script, process.execPath, command, "image", "-c", "small", "--no-cache"], dir: p.dir, env: { DEBCAST_DOWNLOADS: sharedDownloads }, after: 60_000, signal: "SIGKILL" });
  expect(r).toEqual({ finished: true, status: 0, left: [] });
});

test("what is left is found: this test can fail", runs, async () => {
  const r = await killAt({ argv: ["bash", "-c", "setsid sleep 15 & wait"], dir: p.dir, after: 300, signal: "SIGKILL", patience: 300 });
  expect(r.left.map((l) => l.replace(/\d+/, "PID"))).toEqual(["process PID sleep 15 "]);
});
