// What is built on layers is what is built from nothing: a few edits here, forty in test/long/.
import { expect, test } from "vitest";
import { editedProject, tarballOf } from "./edits.ts";
import { randomFrom } from "./random.ts";

const seed = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));

test(`three random edits, DEBCAST_TEST_SEED=${seed}`, async () => {
  const random = randomFrom(seed);
  using p = editedProject(["user", "host", "apt-sources"], random);
  await tarballOf(p.dir, [], "first");
  for (let i = 0; i < 3; i++) {
    const what = p.edit();
    const layered = await tarballOf(p.dir, [], "layered");
    expect(layered, what).toBe(await tarballOf(p.dir, ["--no-cache"], "scratch"));
  }
});
