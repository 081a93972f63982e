// Ten machines in QEMU pushed to at once, one of them dead and one full, beside one alone. What it takes on two processors is nearly
// all the emulator's: in `make test` the same goes to ten devices without machines (test/real/push-many.test.ts).
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcast } from "../real/debcast.ts";
import { devicesConf } from "../real/loopback.ts";
import { boot, diskIn, machineProject, noMachines, type Booted } from "../real/machines.ts";
import { sshAnswers } from "../real/pushing.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: pushing to machines: ${reason}\n`);

const parent = join(engineRoot, "out/push-ten-test");
const names = Array.from({ length: 10 }, (_, i) => `gw${i + 1}`);
const machines: Booted[] = [];
afterAll(async () => {
  await Promise.all(machines.map((m) => m[Symbol.asyncDispose]()));
  rmSync(parent, { recursive: true, force: true });
});

test.skipIf(reason)("ten machines at once, one dead and one full: the others are done, and summary and status say so", async () => {
  rmSync(parent, { recursive: true, force: true });
  mkdirSync(parent, { recursive: true });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(parent, "key")]);
  const key = JSON.stringify(readFileSync(join(parent, "key.pub"), "utf8").trim());
  const conf = `import { defineImage } from "debcast";
import base from "./base.ts";
export default defineImage({ ...base, scriptlets: [...base.scriptlets.filter((s) => s !== "rm"), "push", "app", "rm"], users: (base.users ?? []).map((u) => ({ ...u, sshKeys: [${key}] })) });
`;
  const p = await machineProject({ ten: conf }, { parent, files: { "base/app.ts": 'import { run } from "debcast";\nrun(({ copy }) => { copy("app.conf", "/etc/app.conf"); });\n', "base/app/app.conf": "level = 0\n" } });
  const disk = await diskIn(p.dir, "ten");
  // Two at a time: a machine that starts keeps a processor busy.
  for (let i = 0; i < names.length; i += 2) {
    const [a, b] = await Promise.all([boot(disk, { memory: 512 }), boot(disk, { memory: 512 })]);
    machines.push(a, b);
  }
  const ssh = JSON.stringify([`IdentityFile=${join(parent, "key")}`, "IdentitiesOnly=yes", "ConnectTimeout=60", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]);
  for (const m of machines) await sshAnswers(m.machine.sshPort);
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf(machines.map((m, i) => `${names[i]}: { host: "dlog@127.0.0.1", port: ${m.machine.sshPort}, image: "ten", ssh: ${ssh} },`)));

  const has = async (m: Booted) => m.ask("cat /etc/app.conf");
  const push = async (level: number, devices: readonly string[]) => {
    writeFileSync(join(p.dir, "base/app/app.conf"), `level = ${level}\n`);
    const start = performance.now();
    const r = await debcast(["push", ...devices, "-C", p.dir]);
    return { ...r, seconds: ((performance.now() - start) / 1000).toFixed(1) };
  };
  const one = await push(1, names.slice(0, 1));
  expect([one.status, await has(machines[0]!)], one.stderr).toEqual([0, "level = 1"]);
  const all = await push(2, names);
  expect([all.status, ...(await Promise.all(machines.map(has)))], all.stdout + all.stderr).toEqual([0, ...names.map(() => "level = 2")]);

  const [dead, full] = [machines[8]!, machines[9]!];
  await full.ask("for size in 1M 1k; do dd if=/dev/zero of=/var/fill.$size bs=$size status=none 2> /dev/null || sync; done");
  await dead.machine.kill();
  const some = await push(3, names);
  expect([some.status, ...(await Promise.all(machines.slice(0, 8).map(has))), await has(full)], some.stdout + some.stderr).toEqual([3, ...names.slice(0, 8).map(() => "level = 3"), "level = 2"]);
  expect(some.stdout.trimEnd().split("\n").at(-1)).toBe("8 of 10 devices done; not gw9, gw10");
  process.stdout.write(`one machine: ${one.seconds} s; ten: ${all.seconds} s; ten, one of them dead and one full: ${some.seconds} s\n`);
});
