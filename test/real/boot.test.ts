// Each root mode and the large image started in QEMU; and each assertion of boot-test failing when it should.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcast, debcastOk, type project } from "./debcast.ts";
import { boot, confOf, diskIn, failures, machineProject, noMachines, planIn, type Mode } from "./machines.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: starting images: ${reason}\n`);

const parent = join(engineRoot, "out/boot-test");
let p: ReturnType<typeof project>;
beforeAll(async () => {
  if (reason) return;
  mkdirSync(parent, { recursive: true });
  p = await machineProject({ overlay: confOf({ disk: '{ root: { mode: "overlay" } }' }), tmpfs: confOf({ disk: '{ root: { mode: "tmpfs", ram: "75%" } }' }) }, { parent });
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const conf: Record<Mode, string> = { rw: "base", overlay: "overlay", tmpfs: "tmpfs" };

// Two at a time (vitest.config.ts): a machine that starts seldom keeps more than one processor busy.
for (const mode of ["rw", "overlay", "tmpfs"] as const) {
  test.skipIf(reason)(`${mode}: boot-test passes${mode === "overlay" ? ", and each of its assertions can fail" : ""}`, { concurrent: true }, async ({ expect }) => {
    const disk = await diskIn(p.dir, conf[mode]);
    const plan = await planIn(p.dir, conf[mode]);
    await using m = await boot(disk);
    expect(await failures(m.machine, plan)).toEqual({});
    if (mode !== "overlay") return;

    await m.ask("systemd-run --quiet --unit=bad.service sh -c 'exit 3'; systemd-run --quiet --unit=more.service systemd-socket-activate -l 4444 cat");
    await m.ask("until [ $(systemctl is-active bad.service) = failed ] && grep -q ':115C ' /proc/net/tcp*; do sleep 1; done");
    const found = await failures(m.machine, plan, { disk: { root: { mode: "rw" } } });
    expect(found).toEqual({
      "is running": "the system is `degraded`",
      "no failed unit": "failed: bad.service",
      "listens where it should": "tcp:4444 listens, and the conf does not say so",
      "root is rw": "/ is overlay on root, and the conf wants `rw`",
    });
  });
}

test.skipIf(reason)("gateway, by the command", { concurrent: true }, async ({ expect }) => {
  await debcastOk(["image", "-c", "gateway", "-q"]);
  const r = await debcast(["boot-test", "-c", "gateway", "--json"]);
  expect(JSON.parse(r.stdout)).toMatchObject({ failed: 0 });
  expect(r.status).toBe(0);
});

test.skipIf(reason)("the example with a package of its own: its test plugs a serial adapter in", { concurrent: true }, async ({ expect }) => {
  const example = join(parent, "serial-monitor");
  cpSync(join(engineRoot, "examples/serial-monitor"), example, { recursive: true, filter: (from) => !/\/(out|image|\.debcast)$|\.lock$/.test(from) });
  const r = await debcast(["boot-test", "-C", example, "--json"]);
  const { failed, results } = JSON.parse(r.stdout) as { failed: number; results: { name: string }[] };
  expect([failed, results.at(-1)!.name]).toEqual([0, "serial-monitor: runs for a USB serial device, and reads what it sends"]);
});
