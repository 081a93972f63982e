// Each root mode started in QEMU; and each assertion of boot-test failing when it should.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import type { project } from "./debcast.ts";
import { boot, confOf, diskIn, failures, machineProject, noMachines, planIn, type Mode } from "./machines.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: starting images: ${reason}\n`);

const parent = join(engineRoot, "out/root-modes-test");
let p: ReturnType<typeof project>;
beforeAll(async () => {
  if (reason) return;
  mkdirSync(parent, { recursive: true });
  p = await machineProject({ overlay: confOf({ disk: '{ root: { mode: "overlay" } }' }), tmpfs: confOf({ disk: '{ root: { mode: "tmpfs", ram: "75%" } }' }) }, { parent });
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const conf: Record<Mode, string> = { rw: "base", overlay: "overlay", tmpfs: "tmpfs" };

for (const mode of ["rw", "overlay", "tmpfs"] as const) {
  test.skipIf(reason)(`${mode}: boot-test passes${mode === "overlay" ? ", and each of its assertions can fail" : ""}`, async () => {
    const disk = await diskIn(p.dir, conf[mode]);
    const plan = await planIn(p.dir, conf[mode]);
    await using m = await boot(disk);
    expect(await failures(m.machine, plan)).toEqual({});
    if (mode === "rw") return;
    // Their partition was empty.
    expect(await m.ask("stat -c '%a %U %n' /var/log/apt")).toBe("755 root /var/log/apt");
    if (mode !== "overlay") return;

    await m.ask("systemd-run --quiet --unit=bad.service sh -c 'exit 3'; systemd-run --quiet --unit=more.service systemd-socket-activate -l 4444 cat");
    await m.ask("until [ $(systemctl is-active bad.service) = failed ] && grep -q ':115C ' /proc/net/tcp*; do sleep 1; done");
    const found = await failures(m.machine, plan, { disk: { root: { mode: "rw" }, data: { size: "rest", mount: "/data" } }, listens: [...plan.conf.listens, "tcp:9"] }, 1);
    expect(found).toEqual({
      "is running": "the system is `degraded`",
      "no failed unit": "failed: bad.service",
      "partitions are mounted": "/data is not mounted: there is no partition `data`",
      "listens where it should": "tcp:4444 listens, and the conf does not say so; tcp:9 does not listen, and the conf says so",
      "root is rw": "/ is overlay on root, and the conf wants `rw`",
      "multi-user within 1 s": expect.stringMatching(/^it took \d+\.\d s$/),
    });
    await m.ask("umount /persist");
    expect((await failures(m.machine, plan))["partitions are mounted"]).toMatchInlineSnapshot(`"/persist is not mounted"`);
  });
}
