// `debcast push` to a machine in QEMU: an edit, a package, units, and what each part of it takes. One machine for all of it.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, type project } from "./debcast.ts";
import { devicesConf } from "./loopback.ts";
import { boot, diskIn, machineProject, noMachines, type Booted } from "./machines.ts";
import { sshAnswers, startWatch } from "./pushing.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: pushing to a machine: ${reason}\n`);

const parent = join(engineRoot, "out/push-test");
let p: ReturnType<typeof project>;
let m: Booted;

const demo = (more = "") => `import { installDeb, need, run } from "debcast";
need("systemd");
${more}
run(({ copy, unit }) => {
  copy("demo.conf", "/etc/demo.conf", { restart: ["demo.service"] });
  unit("demo.service", "[Service]\\nExecStart=/bin/sh -c 'cat /etc/demo.conf > /run/demo.seen; exec sleep infinity'\\n[Install]\\nWantedBy=multi-user.target\\n", { enable: true });
});
`;

beforeAll(async () => {
  if (reason) return;
  mkdirSync(parent, { recursive: true });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(parent, "key")]);
  const key = JSON.stringify(readFileSync(join(parent, "key.pub"), "utf8").trim());
  const conf = `import { defineImage } from "debcast";
import base from "./base.ts";
export default defineImage({ ...base, scriptlets: [...base.scriptlets.filter((s) => s !== "rm"), "push", "demo", "rm"], users: (base.users ?? []).map((u) => ({ ...u, sshKeys: [${key}] })) });
`;
  p = await machineProject({ bench: conf }, { parent, files: { "base/demo.ts": demo(), "base/demo/demo.conf": "level = 1\n" } });
  m = await boot(await diskIn(p.dir, "bench"), { memory: 1024 });
  await m.ask("until systemctl is-active --quiet demo; do sleep 0.5; done");
  await sshAnswers(m.machine.sshPort);
  const ssh = [`IdentityFile=${join(parent, "key")}`, "IdentitiesOnly=yes", "ConnectTimeout=60", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf([`bench: { host: "dlog@127.0.0.1", port: ${m.machine.sshPort}, image: "bench", ssh: ${JSON.stringify(ssh)} },`]));
});
afterAll(async () => {
  await m?.[Symbol.asyncDispose]();
  rmSync(parent, { recursive: true, force: true });
});

interface Pushed {
  readonly changed: boolean;
  readonly sent: readonly string[];
  readonly restarted: readonly string[];
  readonly stopped: readonly string[];
  readonly failed: readonly { unit: string; says: string }[];
  readonly packages: readonly { name: string }[];
  readonly reboot: readonly string[];
  readonly bytes: number;
  readonly of: number;
  readonly ms: Readonly<Record<string, number>>;
}

const push = async (...args: string[]) => {
  const start = performance.now();
  const r = JSON.parse((await debcastOk(["push", "bench", "-C", p.dir, "--json", ...args])).stdout) as Pushed;
  process.stdout.write(`push ${args.join(" ")}: ${Math.round(performance.now() - start)} ms, of which ${Object.entries(r.ms).map(([what, ms]) => `${what} ${ms}`).join(", ")}; ${r.bytes} bytes sent of ${r.of}\n`);
  return r;
};
const edit = (path: string, text: string) => writeFileSync(join(p.dir, path), text);

/** The start of each running unit, by its name. */
const started = async () => {
  const text = await m.ask("systemctl show '*.service' -p Id -p InvocationID -p ActiveState");
  return new Map(text.split("\n\n").filter((b) => b.includes("ActiveState=active")).map((b) => [/^Id=(.*)$/m.exec(b)![1]!, /^InvocationID=(.*)$/m.exec(b)?.[1] ?? ""]));
};

test.skipIf(reason)("a line of a config file: the device has it, and its unit alone was started again", async () => {
  const before = await started();
  edit("base/demo/demo.conf", "level = 2\n");
  const r = await push();
  expect(r).toMatchObject({ changed: true, sent: ["/etc/demo.conf"], restarted: ["demo.service"], stopped: [], failed: [], reboot: [] });
  expect(r.bytes).toBeLessThan(2000);
  expect(await m.ask("cat /etc/demo.conf; until grep -q 2 /run/demo.seen; do sleep 0.2; done; cat /var/lib/debcast/mark; ls /var/lib/debcast")).toMatch(/^level = 2\nimage=[0-9a-f]{64}\nconf=bench\nlock=[0-9a-f]{64}\nwhen=.*\nby=.*\npush=.*\nmark$/);
  const after = await started();
  expect([...after].filter(([unit, id]) => before.get(unit) !== id).map(([unit]) => unit).filter((u) => !/^(user|session|user-runtime-dir)/.test(u))).toEqual(["demo.service"]);
  // Nothing is left to do.
  expect(await push()).toMatchObject({ changed: false, bytes: 0 });
  // How long it takes once the engine has met this project and the machine has settled after its start.
  edit("base/demo/demo.conf", "level = 3\n");
  expect(await push()).toMatchObject({ sent: ["/etc/demo.conf"], restarted: ["demo.service"] });
});

test.skipIf(reason)("under --watch a save is on the device, and its unit started again, with no word of ours", async () => {
  await using watch = startWatch(p.dir, "bench");
  await watch.until("the start", () => /^watching /m.test(watch.said()));
  for (const level of [4, 5, 6]) {
    watch.forget();
    const start = performance.now();
    edit("base/demo/demo.conf", `level = ${level}\n`);
    await watch.until("the restart", () => /restarted demo\.service.*\n/.test(watch.said()));
    process.stdout.write(`saved under --watch, on the device and restarted after ${Math.round(performance.now() - start)} ms: ${watch.said().trim()}\n`);
    expect(await m.ask(`cat /etc/demo.conf; until grep -q ${level} /run/demo.seen; do sleep 0.2; done`)).toBe(`level = ${level}`);
  }
  expect(await watch.end()).toBe(130);
});

test.skipIf(reason)("a package more: it is there for dpkg, too; a user more: beside one that was made on the device", async () => {
  await m.ask("useradd --uid 1500 local");
  edit("base/demo.ts", demo('installDeb("tree");').replace("copy, unit }", "copy, unit, user }").replace("  copy(", '  user("extra");\n  copy('));
  const dry = await push("--dry-run");
  expect(dry).toMatchObject({ packages: [{ name: "tree" }], bytes: 0 });
  expect(await m.ask("command -v tree || echo none")).toBe("none");
  const r = await push();
  expect(r.sent).toEqual(dry.sent);
  expect(await m.ask("tree --version | cut -c1-4; dpkg-query -W -f '${Status}' tree; echo; id -un 1500; id -un extra; stat -c %U /home/extra; dpkg --audit")).toBe("tree\ninstall ok installed\nlocal\nextra\nextra");
});

test.skipIf(reason)("a unit that does not run with what it was given is told, with what it said; and the next push mends it", async () => {
  edit("base/demo.ts", demo().replace("ExecStart=", "ExecStartPre=/bin/sh -c 'echo cannot >&2; exit 3'\\nExecStart="));
  const r = JSON.parse((await debcastOk(["push", "bench", "-C", p.dir, "--json"]).catch((e: Error) => ({ stdout: e.message.slice(e.message.indexOf("{")) }))).stdout) as Pushed;
  expect(r.failed.map((f) => f.unit)).toEqual(["demo.service"]);
  expect(r.failed[0]!.says).toContain("cannot");
  edit("base/demo.ts", demo());
  expect(await push()).toMatchObject({ restarted: ["demo.service"], failed: [] });
});

test.skipIf(reason)("what a device needs a restart for is said", async () => {
  edit("base/demo.ts", demo().replace("copy, unit }", "copy, unit, write }").replace("  copy(", '  write("/etc/initramfs-tools/conf.d/demo", "# nothing\\n");\n  write("/etc/systemd/system.conf.d/demo.conf", "[Manager]\\n");\n  copy('));
  expect((await push("--dry-run")).reboot).toContain("settings of systemd itself");
  await push();
  // Until it happens, although nothing is left to be sent.
  expect(await push()).toMatchObject({ changed: false, reboot: expect.arrayContaining(["settings of systemd itself"]) });
});
