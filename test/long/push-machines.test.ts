// Pushes that need a whole machine and its restarts: another kernel, a library that is in use, and roots in RAM.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcast, debcastOk, type project } from "../real/debcast.ts";
import { devicesConf } from "../real/loopback.ts";
import { boot, diskIn, machineProject, noMachines, type Booted } from "../real/machines.ts";
import { sshAnswers } from "../real/pushing.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: pushing to machines: ${reason}\n`);

const parent = join(engineRoot, "out/push-machines-test");
let p: ReturnType<typeof project>;

const confOf = (key: string, disk: string) => `import { defineImage } from "debcast";
import base from "./base.ts";
export default defineImage({ ...base, disk: ${disk}, scriptlets: [...base.scriptlets.filter((s) => s !== "rm"), "push", "demo", "rm"], users: (base.users ?? []).map((u) => ({ ...u, sshKeys: [${key}] })) });
`;
const demo = (more = "") => `import { run } from "debcast";
run(({ write, append, inImage }) => {
  ${more}
});
`;

beforeAll(async () => {
  if (reason) return;
  mkdirSync(parent, { recursive: true });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(parent, "key")]);
  const key = JSON.stringify(readFileSync(join(parent, "key.pub"), "utf8").trim());
  p = await machineProject({
    rw: confOf(key, '{ root: { mode: "rw" } }'),
    overlay: confOf(key, '{ root: { mode: "overlay" } }'),
    tmpfs: confOf(key, '{ root: { mode: "tmpfs", ram: "75%" } }'),
  }, { parent, files: { "base/demo.ts": demo() } });
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const edit = (path: string, text: string) => writeFileSync(join(p.dir, path), text);

/** A machine that is called like its conf. */
async function device(name: string): Promise<Booted> {
  edit("base/demo.ts", demo());
  const m = await boot(await diskIn(p.dir, name), { memory: 1536 });
  await sshAnswers(m.machine.sshPort);
  const ssh = [`IdentityFile=${join(parent, "key")}`, "IdentitiesOnly=yes", "ConnectTimeout=60", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
  edit("conf/devices.ts", devicesConf([`dev: { host: "dlog@127.0.0.1", port: ${m.machine.sshPort}, image: ${JSON.stringify(name)}, ssh: ${JSON.stringify(ssh)} },`]));
  return m;
}

interface Pushed {
  readonly restarted: readonly string[];
  readonly reboot: readonly string[];
  readonly rebooted: boolean;
  readonly volatile: boolean;
  readonly sent: readonly string[];
}
const push = async (...args: string[]) => {
  const start = performance.now();
  const r = JSON.parse((await debcastOk(["push", "dev", "-C", p.dir, "--json", ...args])).stdout) as Pushed & { ms: Record<string, number>; bytes: number };
  process.stdout.write(`push ${args.join(" ")}: ${Math.round(performance.now() - start)} ms, of which ${Object.entries(r.ms).map(([what, ms]) => `${what} ${ms}`).join(", ")}; ${r.bytes} bytes sent\n`);
  return r;
};

test.skipIf(reason)("a library that units have open; another kernel: said, and --reboot comes back on it", async () => {
  await using m = await device("rw");
  // The same library with some bytes after its end: another file, for whoever has the old one open.
  edit("base/demo.ts", demo('append("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "more");'));
  const library = await push();
  expect(library.restarted).toContain("ssh.service");
  expect(library.restarted).not.toContain("dbus.service");
  expect(await m.ask("systemctl is-system-running; ldconfig -p | grep -c libcrypto.so.3")).toBe("running\n1");

  const before = await m.ask("uname -r");
  edit("base/kernel.ts", readFileSync(join(engineRoot, "base/kernel.ts"), "utf8").replace("installDeb(`linux-image-${flavour}`)", "installDeb(`linux-image-cloud-${flavour}`)"));
  const dry = await push("--dry-run");
  expect(dry.reboot).toEqual(expect.arrayContaining(["the kernel", "the initramfs"]));
  const kernel = await push("--reboot");
  expect(kernel.rebooted).toBe(true);
  // The agent of the tests is started with the machine, and answers again.
  const r = await debcastOk(["ssh", "dev", "-C", p.dir, "--", "uname -r; systemctl is-system-running --wait; sudo -n sh -c 'ls /boot'"]);
  expect(r.stdout.split("\n")[0]).toMatch(/cloud-amd64$/);
  expect(r.stdout.split("\n")[0]).not.toBe(before);
  expect(r.stdout).not.toContain(`vmlinuz-${before}\n`);
  expect(await push()).toMatchObject({ sent: [] });
  rmSync(join(p.dir, "base/kernel.ts"));
});

for (const mode of ["overlay", "tmpfs"] as const) {
  test.skipIf(reason)(`${mode}: a push lasts until the restart; with --persist the disk has it, and what was saved is still there`, async () => {
    await using m = await device(mode);
    expect(m.machine.sshPort).toBeGreaterThan(0);
    const there = async () => (await debcastOk(["ssh", "dev", "-C", p.dir, "--", "cat /etc/demo 2> /dev/null; cat /etc/machine-id; findmnt -no FSTYPE /"])).stdout.trim().split("\n");
    const [id] = await there();
    edit("base/demo.ts", demo('write("/etc/demo", "live\\n"); write("/etc/demo2", "live\\n"); write("/home/dlog/.demo", "a seed\\n");'));
    expect(await push()).toMatchObject({ volatile: true, sent: ["/etc/demo", "/etc/demo2", "/home/dlog/.demo"] });
    expect(await there()).toEqual(["live", id, mode]);
    const refused = await debcast(["push", "dev", "-C", p.dir, "--reboot"]);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("is in RAM")]);

    // Against what the disk holds, which is not what runs.
    edit("base/demo.ts", demo('write("/etc/demo", "kept\\n"); write("/home/dlog/.demo", "a seed\\n"); inImage`rm /etc/motd`;'));
    const r = await push("--persist", "--reboot");
    expect(r).toMatchObject({ rebooted: true });
    expect(r.sent).toEqual(["/etc/demo", "/home/dlog/.demo"]);
    expect(await there()).toEqual(["kept", id, mode]);
    // It was in RAM already, and is what the image brings.
    expect((await debcastOk(["ssh", "dev", "-C", p.dir, "--", "cat /home/dlog/.demo"])).stdout).toBe("a seed\n");
    const after = await debcastOk(["ssh", "dev", "-C", p.dir, "--", "ls /etc/demo2 /etc/motd 2>&1; ls /persist; cat /var/lib/debcast/mark | head -1; ls /var/lib/debcast"]);
    expect(after.stdout).toMatch(/^ls: cannot access '\/etc\/demo2'.*\nls: cannot access '\/etc\/motd'.*\netc\nlost\+found\nimage=[0-9a-f]{64}\nmark\n$/);
    expect(await push()).toMatchObject({ sent: [] });
  });
}
