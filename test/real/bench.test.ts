// The page "On the bench" of the README, command by command, with a machine in QEMU for a device: what it says is what happens.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { openProject } from "../../lib/project.ts";
import { knownDevices } from "../../lib/push/devices.ts";
import { sharedDownloads } from "./debcast.ts";
import { noMachines } from "./machines.ts";

const missing = ["ssh", "ssh-agent", "ssh-add", "rsync", "bash"].filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
const reason = noMachines() ?? (missing.length > 0 ? `not installed: ${missing.join(", ")}` : undefined);
if (reason) process.stderr.write(`skipped: the page "On the bench": ${reason}\n`);

const page = readFileSync(join(engineRoot, "README.md"), "utf8").split(/^## /m).find((s) => s.startsWith("On the bench"))!;
const blocks = (language: string) => [...page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, "g"))].map((m) => m[1]!.trim());

let top: string;
let env: Record<string, string>;
const started: number[] = [];
beforeAll(() => {
  if (reason) return;
  mkdirSync(join(engineRoot, "out"), { recursive: true });
  top = mkdtempSync(join(engineRoot, "out/bench-"));
  mkdirSync(join(top, "debcast"));
  symlinkSync(join(engineRoot, "bin"), join(top, "debcast/bin"));
  // Somebody with a key in an agent.
  const agent = spawn("ssh-agent", ["-D", "-a", join("/tmp", `agent-${process.pid}`)], { stdio: "ignore" });
  started.push(agent.pid!);
  env = { ...(process.env as Record<string, string>), SSH_AUTH_SOCK: join("/tmp", `agent-${process.pid}`), DEBCAST_DOWNLOADS: sharedDownloads, NO_COLOR: "1" };
  spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(top, "key")]);
  for (let i = 0; !existsSync(env.SSH_AUTH_SOCK!) && i < 200; i++) spawnSync("sleep", ["0.02"]);
  expect(spawnSync("ssh-add", ["-q", join(top, "key")], { env, encoding: "utf8" })).toMatchObject({ status: 0 });
});
afterAll(() => {
  for (const pid of started) {
    try {
      process.kill(pid);
    } catch {} // It has ended by itself.
  }
  if (top) rmSync(top, { recursive: true, force: true });
});

/** Starts lines of shell in the directory of the clone, as in a terminal of their own. */
function terminal(lines: readonly string[]) {
  const child = spawn("bash", ["-ec", lines.join("\n")], { cwd: join(top, "debcast"), env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  started.push(-child.pid!);
  const t = { stdout: "", stderr: "", ended: new Promise<number | null>((resolve) => child.on("close", resolve)), over: false, interrupt: () => process.kill(-child.pid!, "SIGINT") };
  child.stdout.on("data", (d: Buffer) => (t.stdout += d.toString()));
  child.stderr.on("data", (d: Buffer) => (t.stderr += d.toString()));
  void t.ended.then(() => (t.over = true));
  const until = async (what: RegExp, seconds: number) => {
    for (const end = performance.now() + seconds * 1000; !what.test(t.stdout + t.stderr); await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (t.over || performance.now() > end) throw new Error(`${what} was not said in ${seconds} s:\n${t.stdout.slice(-3000)}${t.stderr.slice(-3000)}`);
    }
  };
  return Object.assign(t, { until });
}

test.skipIf(reason)("from an empty directory to an edited file on a device: every command of the page", async () => {
  const [first, second, ...more] = blocks("sh");
  expect(more).toEqual([]);
  const vm = terminal(first!.split("\n"));
  await vm.until(/ login: /, 900);

  const lines = second!.split("\n").map((l) => l.trim());
  const [before, commands] = [lines.filter((l) => /^(export|cd) /.test(l)), lines.filter((l) => !/^(export|cd) /.test(l))];
  const wants: [RegExp, (t: { stdout: string; stderr: string }, status: number | null) => void][] = [
    [/^debcast status vm/, (t) => expect(t.stdout).toMatch(/^vm \(me@127\.0\.0\.1:\d+\)\n {2}runs .*\n {2}is {6}\w+ for .*, hello, Linux 6\./)],
    [/^sed /, () => {}],
    [/^debcast push vm/, (t) => expect(t.stdout).toMatch(/^vm: \d+ paths?, /)],
    [/^debcast ssh vm -- cat/, (t) => expect(t.stdout).toBe("Welcome to an image of my own, bench.\n")],
    [/^debcast logs vm ssh/, (t) => expect(t.stdout).toMatch(/sshd.*Server listening on/)],
    [/^debcast ssh vm -- sudo touch/, () => {}],
    // A device that has started is clean but for that.
    [/^debcast pull vm/, (t, status) => expect(`${t.stdout}status ${status}`).toMatch(/^files: 1 added, 0 B\n {2}\+ \/etc\/by-hand\n\ntotal: .*\nstatus 1$/)],
  ];
  for (const command of commands.slice(0, -1)) {
    const start = performance.now();
    const t = terminal([...before, command]);
    const status = await t.ended;
    process.stderr.write(`$ ${command.replace(/ +#.*/, "")}   (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
    const want = wants.shift()!;
    expect(command).toMatch(want[0]);
    if (!command.includes("pull")) expect(status, t.stderr).toBe(0);
    want[1](t, status);
  }
  expect(wants).toEqual([]);

  const typo = terminal([...before, "debcast logs vm shs"]);
  expect([await typo.ended, typo.stderr]).toEqual([1, "error: `vm` has no unit `shs.service`\n\nhint: did you mean `ssh.service`?\n"]);

  const watch = terminal([...before, `exec ${commands.at(-1)!}`]);
  expect(commands.at(-1)).toMatch(/^debcast push --watch vm/);
  await watch.until(/^watching /m, 400);
  const start = performance.now();
  const hello = join(top, "acme/base/hello.ts");
  writeFileSync(hello, readFileSync(hello, "utf8").replace("bench", "watcher"));
  await watch.until(/^vm .*1 path, /m, 300);
  process.stderr.write(`a save with --watch: ${((performance.now() - start) / 1000).toFixed(1)} s\n${watch.stderr}`);
  const seen = terminal([...before, "debcast ssh vm -- cat /etc/motd"]);
  await seen.ended;
  expect(seen.stdout).toBe("Welcome to an image of my own, watcher.\n");
  watch.interrupt();
  expect(await watch.ended).toBe(130);
  vm.interrupt();
  await vm.ended;
}, 1_200_000);

test("the devices of the page are ones", async () => {
  const dir = mkdtempSync(join("/tmp", "debcast-bench-"));
  try {
    cpSync(join(engineRoot, "templates/init/base.ts"), join(dir, "conf/base.ts"));
    cpSync(join(engineRoot, "templates/init/base.ts"), join(dir, "conf/gateway.ts"));
    writeFileSync(join(dir, "conf/devices.ts"), blocks("ts")[0]!);
    expect([...(await knownDevices(openProject(dir, {}))).keys()]).toEqual(["gw1", "gw2"]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
