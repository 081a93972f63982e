// Invariant 1: for the same packages the tree is what mmdebstrap makes, but for the list in oracle.ts.
import { rmSync } from "node:fs";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, project } from "./debcast.ts";
import { noMmdebstrap } from "./mmdebstrap.ts";
import { packagesOf, setProject, unexpectedDifferences, unexpectedOfRandom } from "./oracle.ts";

const reason = noMmdebstrap();
if (reason) process.stderr.write(`skipped: the oracle: ${reason}\n`);

/** Beside image/, for hard links and speed. */
const parent = join(engineRoot, "out/oracle");
beforeAll(() => mkdirSync(parent, { recursive: true }));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

for (const name of ["base", "gateway"]) {
  test.skipIf(reason)(`the packages of ${name}`, async () => {
    const lock = join(engineRoot, `conf/${name}.lock`);
    if (!existsSync(lock)) await debcastOk(["lock", "-c", name]);
    using p = project(setProject(packagesOf(lock)), { parent });
    cpSync(lock, join(p.dir, "conf/set.lock"));
    expect(await unexpectedDifferences(p.dir, join(p.dir, "work"))).toEqual([]);
  });
}

// The same ones each time, so that a change of ours is what makes them fail; `make test-long` draws others.
for (const seed of [1, 2, 3]) {
  test.skipIf(reason)(`random packages of seed ${seed}`, async () => {
    expect(await unexpectedOfRandom(parent, seed)).toEqual([]);
  });
}
