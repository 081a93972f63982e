// What is built on layers is what is built from nothing, after each of forty random edits to a project with a kernel.
import { expect, test } from "vitest";
import { editedProject, tarballOf } from "../real/edits.ts";
import { randomFrom } from "../real/random.ts";

const times = Number(process.env.DEBCAST_TEST_EDITS ?? 40);
const seed = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));

test(`${times} random edits, DEBCAST_TEST_SEED=${seed}`, async () => {
  const random = randomFrom(seed);
  using p = editedProject(["user", "host", "locale", "apt-sources", "kernel", "microcode", "ssh", "sudo", "network"], random);
  await tarballOf(p.dir, [], "first");
  const edits: string[] = [];
  for (let i = 0; i < times; i++) {
    edits.push(p.edit());
    const layered = await tarballOf(p.dir, [], "layered");
    expect(layered, edits.join("\n")).toBe(await tarballOf(p.dir, ["--no-cache"], "scratch"));
  }
  process.stderr.write(`${times} edits, seed ${seed}:\n${edits.map((e) => `  ${e}\n`).join("")}`);
});
