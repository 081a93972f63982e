// Invariant 1: for the same packages the tree is what mmdebstrap makes, but for the list in oracle.ts.
import { rmSync } from "node:fs";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, project } from "./debcast.ts";
import { noMmdebstrap } from "./mmdebstrap.ts";
import { packagesOf, setProject, unexpectedDifferences } from "./oracle.ts";
import { randomPackages } from "./random.ts";

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

const seed = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));

for (const nth of [1, 2, 3]) {
  test.skipIf(reason)(`random packages ${nth}, DEBCAST_TEST_SEED=${seed}`, async () => {
    using p = project(setProject([]), { parent });
    const packages = await randomPackages(p.dir, seed + nth);
    process.stderr.write(`random packages ${nth} (seed ${seed}): ${packages.roots.join(" ")}: ${packages.all.length} in all\n`);
    for (const [path, text] of Object.entries(setProject(packages.all))) {
      mkdirSync(dirname(join(p.dir, path)), { recursive: true });
      writeFileSync(join(p.dir, path), text);
    }
    expect(await unexpectedDifferences(p.dir, join(p.dir, "work"))).toEqual([]);
  });
}
