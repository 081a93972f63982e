// What the oracle finds in sets of packages that nobody chose: other ones each time.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { noMmdebstrap } from "../real/mmdebstrap.ts";
import { unexpectedOfConf, unexpectedOfRandom } from "../real/oracle.ts";

const reason = noMmdebstrap();
if (reason) process.stderr.write(`skipped: the oracle: ${reason}\n`);

const parent = join(engineRoot, "out/oracle-long");
beforeAll(() => mkdirSync(parent, { recursive: true }));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const first = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));

test.skipIf(reason)("the packages of base", async () => {
  expect(await unexpectedOfConf(parent, "base")).toEqual([]);
});

for (let n = 0; n < 20; n++) {
  test.skipIf(reason)(`random packages ${n + 1}, DEBCAST_TEST_SEED=${first + n}`, async () => {
    expect(await unexpectedOfRandom(parent, first + n)).toEqual([]);
  });
}
