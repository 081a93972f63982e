// `debcast boot-test` by itself: the large image, and the example with a package and a test of its own.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcast, debcastOk, project } from "./debcast.ts";
import { noMachines } from "./machines.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: starting images: ${reason}\n`);

test.skipIf(reason)("gateway, by the command", async () => {
  await debcastOk(["image", "-c", "gateway", "-q"]);
  const r = await debcast(["boot-test", "-c", "gateway", "--json"]);
  expect(JSON.parse(r.stdout)).toMatchObject({ failed: 0 });
  expect(r.status).toBe(0);
});

test.skipIf(reason)("the example with a package of its own: its test plugs a serial adapter in", async () => {
  using p = project({}, { parent: join(engineRoot, "out") });
  const example = join(p.dir, "serial-monitor");
  cpSync(join(engineRoot, "examples/serial-monitor"), example, { recursive: true, filter: (from) => !/\/(out|image|\.debcast)$|\.lock$/.test(from) });
  const r = await debcast(["boot-test", "-C", example, "--json"]);
  const { failed, results } = JSON.parse(r.stdout) as { failed: number; results: { name: string }[] };
  expect([failed, results.at(-1)!.name]).toEqual([0, "serial-monitor: runs for a USB serial device, and reads what it sends"]);
});
