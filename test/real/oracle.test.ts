// Invariant 1: for the same packages the tree is what mmdebstrap makes, but for the list in oracle.ts.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { noMmdebstrap } from "./mmdebstrap.ts";
import { unexpectedOfConf, unexpectedOfRandom } from "./oracle.ts";

const reason = noMmdebstrap();
if (reason) process.stderr.write(`skipped: the oracle: ${reason}\n`);

/** Beside image/, for hard links and speed. */
const parent = join(engineRoot, "out/oracle");
beforeAll(() => mkdirSync(parent, { recursive: true }));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

test.skipIf(reason)("the packages of gateway", async () => {
  expect(await unexpectedOfConf(parent, "gateway")).toEqual([]);
});

// The same ones each time, so that a change of ours is what makes it fail; `make test-long` draws others, and has `base`.
test.skipIf(reason)("random packages of seed 1", async () => {
  expect(await unexpectedOfRandom(parent, 1)).toEqual([]);
});
