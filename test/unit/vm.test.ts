// What speaks to a machine, when the machine ends or starts anew meanwhile.
import { connect, createServer, type Socket } from "node:net";
import { mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UserError } from "../../lib/errors.ts";
import type { Conf, Plan, PlannedScriptlet } from "../../lib/plan/plan.ts";
import type { Project } from "../../lib/project.ts";
import { devicesOf } from "../../lib/push/devices.ts";
import { keptOf, lasting } from "../../lib/verbs/vm.ts";
import { openAgent } from "../../lib/vm/agent.ts";
import { bootTest } from "../../lib/vm/boottest.ts";
import { openControl } from "../../lib/vm/control.ts";
import { diskOf } from "../../lib/vm/disk.ts";
import { startMachine, type Machine } from "../../lib/vm/machine.ts";
import { drives } from "../../lib/vm/qemu.ts";
import { forget, guestPortOf, record } from "../../lib/vm/running.ts";

const dir = mkdtempSync(join(tmpdir(), "vm-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Both ends of a wire: ours, and the machine's. */
async function wire(): Promise<{ ours: Socket; machine: Socket }> {
  const path = join(dir, `${Math.random()}.sock`);
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once("listening", resolve));
  const other = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const ours = connect(path);
  const machine = await other;
  server.close();
  return { ours, machine };
}

/** An agent that has answered, and is at a command now. */
async function asking() {
  const { ours, machine } = await wire();
  const agent = openAgent(ours);
  machine.write("\nup\n");
  const asked = agent.ask("true");
  const word = await next(machine);
  return { agent, machine, asked, word };
}

interface Said {
  readonly status: number;
  readonly stdout: string;
}

/** An agent in a machine that answers each script by itself. */
async function answering(answer: (script: string) => Said) {
  const { ours, machine } = await wire();
  let rest = "";
  machine.on("data", (piece: Buffer) => {
    rest += piece.toString();
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const [id, script] = line.split(" ");
      const { status, stdout } = answer(Buffer.from(script!, "base64").toString());
      machine.write(`${id} ${status} =${base64(stdout)} =\n`);
    }
  });
  const agent = openAgent(ours);
  machine.write("\nup\n");
  return { agent, close: () => (agent.close(), machine.destroy()) };
}

/** What a machine that is as it should be says to the assertions of every image. */
function healthy(script: string): string {
  if (script.startsWith("echo ")) return `${script.slice(5)}\n`;
  if (script.includes("is-system-running")) return "running\n";
  if (script.includes("ActiveEnterTimestampMonotonic")) return "2500000\n";
  if (script.includes("ip_local_port_range")) return "32768\t60999\n";
  if (script.includes(" / ")) return "/dev/vda2 / ext4 rw,noatime 0 0\n";
  return "";
}

const messageOf = (asked: Promise<unknown>) => asked.then(() => "it was answered", (e: Error) => e.message);
const next = (socket: Socket) => new Promise<string>((resolve) => socket.once("data", (d: Buffer) => resolve(d.toString())));
const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("a command in the machine", () => {
  test("is answered", async () => {
    const { agent, machine, asked, word } = await asking();
    expect(word).toBe(`0 ${base64("true")}\n`);
    machine.write(`0 3 =${base64("out")} =\n`);
    expect(await asked).toMatchObject({ status: 3, stdout: "out", stderr: "" });
    agent.close();
  });

  test("fails when the machine ends, and so does each after it", async () => {
    const { agent, machine, asked } = await asking();
    machine.destroy();
    expect(await messageOf(asked)).toBe("the machine has ended");
    expect(await messageOf(agent.ask("true"))).toBe("the machine has ended");
  });

  test("fails when the machine was never up", async () => {
    const { ours, machine } = await wire();
    const asked = openAgent(ours).ask("true");
    machine.destroy();
    expect(await messageOf(asked)).toBe("the machine has ended");
  });

  test("fails when the machine starts anew within an answer, and the next one does not", async () => {
    const { agent, machine, asked } = await asking();
    machine.write(`0 0 =${base64("half an")}\nup\n`);
    expect(await messageOf(asked)).toBe("the machine started anew while it was at a command");
    const again = agent.ask("true");
    await next(machine);
    machine.write("1 0 = =\n");
    expect(await again).toMatchObject({ status: 0 });
    agent.close();
  });

  test("has a time limit", async () => {
    const { ours, machine } = await wire();
    const agent = openAgent(ours);
    machine.write("\nup\n");
    expect(await messageOf(agent.ask("sleep 9", 0.05))).toBe("the machine has not answered for 0.05 s");
    agent.close();
  });
});

test("a command to QEMU fails when it ends, and so does each after it", async () => {
  const { ours, machine } = await wire();
  const opening = openControl(ours);
  machine.write('{"QMP": {}}\n');
  await next(machine);
  machine.write('{"return": {}}\n');
  const control = await opening;
  const asked = control.command("stop");
  await next(machine);
  machine.destroy();
  expect(await messageOf(asked)).toBe("the machine has ended");
  expect(await messageOf(control.command("stop"))).toBe("the machine has ended");
});

test("boot-test ends with what the machine said last", async () => {
  const { ours, machine } = await wire();
  const agent = openAgent(ours);
  const never = new Promise<number>(() => {});
  const plan = { conf: { disk: undefined, listens: [] }, scriptlets: [] } as unknown as Plan;
  machine.write("\nup\n");
  machine.once("data", () => machine.destroy());
  const results = await bootTest({ machine: { agent, ended: never, console: () => "Kernel panic" } as unknown as Machine, plan, patience: 5, done: () => {} });
  expect(results.map((r) => [r.name, r.error?.message, r.error?.details])).toEqual([["comes up", undefined, undefined], ["is running", "the machine ended or started anew", "Kernel panic"]]);
});

/** The result of one assertion of every image, on a machine that says `differently` where it does not say what it should. */
async function lookAt(name: string, conf: object, differently: (script: string) => string | undefined) {
  const { agent, close } = await answering((script) => ({ status: 0, stdout: differently(script) ?? healthy(script) }));
  const plan = { conf: { file: "conf/box.ts", listens: [], ...conf }, scriptlets: [] } as unknown as Plan;
  const results = await bootTest({ machine: { agent, ended: new Promise(() => {}), console: () => "" } as unknown as Machine, plan, patience: 5, done: () => {} });
  close();
  const { found, error } = results.find((r) => r.name === name)!;
  return error ? { error: error.message, ...(error.hint && { hint: error.hint }), ...(error.where && { where: error.where.file }) } : { found };
}

describe("what listens", () => {
  const udp = "= udp\n  sl  local_address\n   0: 00000000:0044 0 07\n   1: 00000000:C738 0 07\n   2: 00000000:0143 0 07\n";
  const look = (listens: readonly string[]) => lookAt("listens where it should", { listens }, (script) => (script.includes("/proc/net") ? `= tcp\n  sl  local_address\n   0: 00000000:1F90 0 0A\n   1: 00000000:0016 0 0A\n${udp}` : undefined));

  test("is what the conf declares, but for what may be a client's own", async () => {
    expect(await look(["tcp:22", "tcp:8080", "udp:323"])).toEqual({ found: "tcp:22 tcp:8080 udp:323" });
  });

  test("is looked for also where it might be a client's", async () => {
    expect(await look(["tcp:22", "tcp:8080", "udp:68", "udp:323", "udp:51000"])).toEqual({ found: "tcp:22 tcp:8080 udp:68 udp:323 udp:51000" });
  });

  test("is told as a line to paste when it differs", async () => {
    expect(await look(["tcp:22", "udp:323", "udp:53"])).toEqual({
      error: "tcp:8080 listens, and the conf does not say so; udp:53 does not listen, and the conf says so",
      hint: 'listens: ["tcp:22", "tcp:8080", "udp:323"],   // if that is as it should be',
      where: "conf/box.ts",
    });
  });
});

describe("partitions", () => {
  const disk = { root: { mode: "overlay" }, data: { size: "rest", mount: "/data" } };
  const mounts = "/ overlay\n/persist /dev/vda3\n/var/log /dev/vda4\n/data /dev/vda5";
  const look = (o: { devices?: string; mounts?: string; ids?: string }) => lookAt("partitions are mounted", { disk }, (script) => {
    if (script.includes("by-partlabel")) return o.devices ?? "/dev/vda3\n/dev/vda4\n/dev/vda5\n";
    if (script.includes("machine-id")) return o.ids ?? "abc\nabc\n";
    return script.startsWith("while") ? (o.mounts ?? mounts) : undefined;
  });

  test("are mounted where they belong", async () => {
    expect(await look({})).toEqual({ found: "/persist on /dev/vda3, /var/log on /dev/vda4, /data on /dev/vda5" });
  });

  test("are not mounted, are elsewhere, or are not there", async () => {
    expect(await look({ mounts: "/ overlay\n/persist /dev/vda3\n/var/log /dev/vda4\n/var/log tmpfs\n" })).toEqual({ error: "/var/log is on tmpfs, and the partition `log` is /dev/vda4; /data is not mounted" });
    expect(await look({ devices: "/dev/vda3\n/dev/vda4\n\n", mounts: mounts.replace("/data /dev/vda5", "") })).toEqual({ error: "/data is not mounted: there is no partition `data`" });
  });

  test("/persist is mounted, and nothing of it was taken", async () => {
    for (const ids of ["abc\nxyz\n", "\n\n", "\nabc\n"]) expect(await look({ ids })).toEqual({ error: "/etc/machine-id is not the one of /persist/etc" });
  });

  test("are not asked for where / lasts", async () => {
    await expect(lookAt("partitions are mounted", { disk: { root: {} } }, () => undefined)).rejects.toThrow();
  });
});

test("multi-user that was never reached took no time", async () => {
  const reached = (text: string) => lookAt("time to multi-user", {}, (script) => (script.includes("ActiveEnterTimestampMonotonic") ? text : undefined));
  expect([await reached("2500000\n"), await reached("0\n")]).toEqual([{ found: "2.5 s from the kernel's start" }, { error: "multi-user was not reached" }]);
});

describe("a scriptlet's own test", () => {
  // Each promise that fails and that nobody awaits is told to the test runner, too, which then fails.
  const others = process.listeners("unhandledRejection");
  beforeAll(() => void process.removeAllListeners("unhandledRejection"));
  afterAll(() => others.forEach((listener) => process.on("unhandledRejection", listener)));

  /** What became of it, on a machine that is well but for the words that fail in it. */
  async function outcomeOf(fn: PlannedScriptlet["bootTests"][number]["fn"]) {
    const { agent, close } = await answering((script) => (script.startsWith("fail") ? { status: 1, stdout: "no\n" } : { status: 0, stdout: healthy(script) }));
    const s = { name: "own", bootTests: [{ name: "test", fn, where: { file: "base/own.ts" } }], whereOf: () => ({ file: "base/own.ts", line: 7 }) } as unknown as PlannedScriptlet;
    const plan = { conf: { listens: [] }, scriptlets: [s] } as unknown as Plan;
    const results = await bootTest({ machine: { agent, ended: new Promise(() => {}), console: () => "" } as unknown as Machine, plan, patience: 5, done: () => {} });
    close();
    return results.map((r) => `${r.name}: ${r.error?.message ?? "passed"}${r.error?.where ? ` at ${r.error.where.file}:${r.error.where.line}` : ""}`).at(-1);
  }

  test("passes when all that it has begun does", async () => {
    expect(await outcomeOf(async ({ inVm, expect: e }) => e(await inVm`echo yes`).toBe("yes"))).toBe("own: test: passed");
    expect(await outcomeOf(({ inVm }) => void inVm`echo yes`)).toBe("own: test: passed");
  });

  test("fails with a command that fails, awaited or not", async () => {
    const failed = "own: test: `fail` ended with status 1 in the machine at base/own.ts:7";
    expect(await outcomeOf(async ({ inVm }) => void (await inVm`fail`))).toBe(failed);
    expect(await outcomeOf(({ inVm }) => void inVm`fail`)).toBe(failed);
    expect(await outcomeOf(({ inVm }) => void inVm`true`.then(() => inVm`fail`))).toBe(failed);
  });

  test("waits for what it waits for, awaited or not", async () => {
    expect(await outcomeOf(({ inVm, until, expect: e }) => void until(async () => e(await inVm`echo yes`).toBe("no"), 0.1))).toBe("own: test: expected 'yes' to be 'no' at base/own.ts:7");
    expect(await outcomeOf(({ inVm, until, expect: e }) => void until(async () => e(await inVm`echo yes`).toBe("yes")))).toBe("own: test: passed");
  });

  test("may expect a command to fail", async () => {
    expect(await outcomeOf(({ inVm }) => inVm`fail`.then(() => {}, () => {}))).toBe("own: test: passed");
  });

  test("fails with what it throws when nobody awaits that", async () => {
    expect(await outcomeOf(({ inVm, expect: e }) => void inVm`echo yes`.then((text) => e(text).toBe("no")))).toBe("own: test: expected 'yes' to be 'no' at base/own.ts:7");
  });
});

test("of a machine that does not start nothing is left", async () => {
  const before = { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR };
  const empty = mkdtempSync(join(dir, "empty-"));
  // Without QEMU; and where there is no firmware either, that is told first.
  Object.assign(process.env, { PATH: empty, TMPDIR: empty });
  try {
    const started = startMachine({ disk: "none.img", keep: false, memory: 64, cpus: 1, disks: [], usb: [], display: false, accel: "tcg" });
    expect(await started.catch((e: UserError) => e.code)).toMatch(/^vm\.(start|firmware)$/);
    expect(readdirSync(empty)).toEqual([]);
  } finally {
    Object.assign(process.env, before);
    if (before.TMPDIR === undefined) delete process.env.TMPDIR;
  }
});

test("of its disks the machine writes to those that are named for it", () => {
  const files = (keep: boolean) => drives({ disk: "out/base.img", keep, disks: ["a,b.qcow2"] }).filter((word) => word.startsWith("if=")).map((word) => word.replace("if=none,", ""));
  expect(files(false)).toEqual(["id=disk0,format=raw,file=out/base.img,snapshot=on,cache=unsafe,discard=unmap", "id=disk1,format=qcow2,file=a,,b.qcow2,cache=writeback,discard=unmap"]);
  expect(files(true)[0]).toBe("id=disk0,format=raw,file=out/base.img,cache=writeback,discard=unmap");
});

test("what is kept of a disk stays, and it is told when there is a newer one", async () => {
  const disk = join(mkdtempSync(join(dir, "kept-")), "base.img");
  const said: string[] = [];
  const start = async () => readFileSync(await lasting(disk, (e) => void said.push((e as { text: string }).text)), "utf8");
  writeFileSync(disk, "first");
  expect([await start(), await start(), said]).toEqual(["first", "first", []]);
  writeFileSync(disk, "second");
  const later = Date.now() / 1000 + 60;
  utimesSync(disk, later, later);
  expect(await start()).toBe("first");
  const [kept, built] = [keptOf(disk), disk].map((f) => relative(process.cwd(), f));
  expect(said).toEqual([`it starts from \`${kept}\`, which is kept from before and older than \`${built}\`\nrm ${kept}   # and the next start is from the new one`]);
});

test("a disk that is compressed is nothing to start from", async () => {
  const file = join(dir, "base.img.zst");
  writeFileSync(file, "");
  const e = await diskOf({ project: {} as Project, conf: "base", file, mirrors: [], quiet: false }).catch((e: UserError) => e);
  expect(e).toMatchObject({ message: `\`${file}\` is compressed, and a machine starts from the disk itself`, hint: `zstd -d --long=27 ${file}` });
});

test("a machine that runs is known by its record, which only it takes away", async () => {
  const project = { outDir: mkdtempSync(join(dir, "out-")), confDir: dir } as unknown as Project;
  const device = () => devicesOf(project, ["vm"], "base").then(([d]) => d!.host, (e: UserError) => [e.message, e.hint]);
  record(project, "base", { port: 2222, pid: process.pid, user: "me" });
  expect(await device()).toBe("me@127.0.0.1");
  record(project, "base", { port: 2222, pid: process.pid, file: "old.img" });
  expect(await device()).toEqual(["the machine was started from `old.img`, whose users debcast does not know", "ssh -p 2222 USER@127.0.0.1"]);
  record(project, "base", { port: 2222, pid: process.ppid, user: "me" });
  forget(project, "base");
  expect(await device()).toBe("me@127.0.0.1");
  record(project, "base", { port: 2222, pid: process.pid, user: "me" });
  forget(project, "base");
  expect(await device()).toEqual(["no machine of `base` is running", "debcast vm"]);
});

test("ssh leads to where the conf has its sshd listen", () => {
  const port = (options: object) => guestPortOf({ options } as unknown as Conf);
  expect([port({}), port({ ssh: { allow: ["me"] } }), port({ ssh: { port: 2222 } })]).toEqual([22, 22, 2222]);
});

test("what is kept of a disk is named after it", () => {
  expect(["/p/out/base.img", "/p/out/base.stick.img", "/else/x.qcow2"].map(keptOf)).toEqual(["/p/out/base.vm.img", "/p/out/base.stick.vm.img", "/else/x.vm.qcow2"]);
});
