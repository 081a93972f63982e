// Invariants 4 and 5: a build may be ended at any moment. Nothing of it lives on, nothing lies outside of the project, and the
// next build gives the same bytes.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { command, debcastOk, isRoot, project, sharedDownloads, shippedConf, skipUnless } from "../real/debcast.ts";
import { killAt } from "../real/kill.ts";
import { randomFrom } from "../real/random.ts";

const times = Number(process.env.DEBCAST_TEST_KILLS ?? 30);
const seed = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));
/** A whole build, to its hash, after so many kills; those between begin on what the killed ones left. */
const wholeEvery = Number(process.env.DEBCAST_TEST_WHOLE_EVERY ?? 1);

const runs = skipUnless(isRoot, "needs root: the processes of another user's sandbox cannot be looked at");
const parent = join(engineRoot, "out/kill-test");
const reference = { hash: "", ms: 0 };
let dir = "";

beforeAll(async () => {
  if (runs.skip) return;
  mkdirSync(parent, { recursive: true });
  const keys = Object.fromEntries(readdirSync(join(engineRoot, "conf/keys")).map((f) => [`conf/keys/${f}`, readFileSync(join(engineRoot, "conf/keys", f), "utf8")]));
  dir = project({ ...shippedConf("base"), ...keys }, { parent }).dir;
  reference.hash = await wholeBuild();
  const start = performance.now();
  await debcastOk(["image", "-C", dir, "--no-cache"]);
  reference.ms = performance.now() - start;
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

async function wholeBuild(): Promise<string> {
  await debcastOk(["image", "-C", dir]);
  await debcastOk(["tar", "-C", dir, "-o", join(dir, "out/base.tar")]);
  return createHash("sha256").update(readFileSync(join(dir, "out/base.tar"))).digest("hex");
}

test.for(["SIGKILL", "SIGINT"] as const)(`%s to the whole process group at ${times} random moments, DEBCAST_TEST_SEED=${seed}`, runs, async (signal) => {
  const random = randomFrom(seed);
  const moments: number[] = [];
  for (let i = 1; i <= times; i++) {
    const after = Math.round(random() * reference.ms);
    moments.push(after);
    const r = await killAt({ argv: [process.execPath, command, "image", "-C", dir, "--no-cache"], dir, env: { DEBCAST_DOWNLOADS: sharedDownloads }, after, signal });
    expect(r.left, `after ${signal} at ${after} ms`).toEqual([]);
    if (signal === "SIGINT" && !r.finished) expect(r.status).toBe(130);
    if (i % wholeEvery === 0) expect(await wholeBuild(), `after ${signal} at ${moments.slice(-wholeEvery).join(", ")} ms`).toBe(reference.hash);
  }
  process.stderr.write(`${signal}: ${times} times, at ${moments.join(" ")} ms of a build of ${Math.round(reference.ms)} ms\n`);
});
