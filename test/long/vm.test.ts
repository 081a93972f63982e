// `debcast vm` as one uses it: from nothing to a login prompt on the terminal, `debcast ssh` from another, and out with Ctrl-A X.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { command, debcast, sharedDownloads, type project } from "../real/debcast.ts";
import { machineProject, noMachines } from "../real/machines.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: starting images: ${reason}\n`);

const parent = join(engineRoot, "out/vm-test");
let p: ReturnType<typeof project>;
let agent: { SSH_AUTH_SOCK: string; pid: string };

beforeAll(async () => {
  if (reason) return;
  mkdirSync(parent, { recursive: true });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(parent, "key")]);
  const said = execFileSync("ssh-agent", ["-s"]).toString();
  agent = { SSH_AUTH_SOCK: /SSH_AUTH_SOCK=([^;]+)/.exec(said)![1]!, pid: /SSH_AGENT_PID=(\d+)/.exec(said)![1]! };
  execFileSync("ssh-add", ["-q", join(parent, "key")], { env: { ...process.env, SSH_AUTH_SOCK: agent.SSH_AUTH_SOCK } });
  const key = readFileSync(join(parent, "key.pub"), "utf8").trim();
  p = await machineProject({ vm: `import { defineImage } from "debcast";
import base from "./base.ts";
export default defineImage({ ...base, users: [{ ...base.users![0]!, sshKeys: ["${key}"] }] });
` }, { parent });
});
afterAll(() => {
  if (agent) process.kill(Number(agent.pid));
  rmSync(parent, { recursive: true, force: true });
});

test.skipIf(reason)("it builds, starts, is logged in to, and ends", async () => {
  const start = performance.now();
  const env = { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads, NO_COLOR: "1" };
  const vm = spawn(process.execPath, [command, "vm", "-C", p.dir, "-c", "vm"], { env, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  const parts: string[] = [];
  const ended = new Promise<number | null>((resolve) => vm.on("exit", resolve));
  const seen = (text: RegExp) => new Promise<void>((resolve, reject) => {
    const look = () => {
      if (!text.test(said)) return;
      parts.push(`${text.source} after ${((performance.now() - start) / 1000).toFixed(1)} s`);
      for (const out of [vm.stdout, vm.stderr]) out.off("data", look);
      resolve();
    };
    for (const out of [vm.stdout, vm.stderr]) out.on("data", look);
    void ended.then((status) => reject(new Error(`it ended with ${status}:\n${said.slice(-3000)}`)));
    look();
  });
  for (const out of [vm.stdout, vm.stderr]) out.on("data", (d: Buffer) => (said += d.toString()));
  try {
    await seen(/Ctrl-A X/);
    await seen(/Linux version/);
    await seen(/gateway login: /);
    process.stderr.write(`${parts.join("\n")}\n`);
    const inside = await debcast(["ssh", "-C", p.dir, "-c", "vm", "--", "hostname; id -un"], { env: { SSH_AUTH_SOCK: agent.SSH_AUTH_SOCK } });
    expect([inside.stdout, inside.status]).toEqual(["gateway\ndlog\n", 0]);
    vm.stdin.write("\x01x");
    expect(await ended).toBe(0);
  } finally {
    vm.kill("SIGKILL");
  }
  expect(existsSync(join(p.dir, "out/vm.vm.json"))).toBe(false);
  expect((await debcast(["ssh", "-C", p.dir, "-c", "vm"])).stderr.replaceAll(p.dir, "DIR")).toMatchInlineSnapshot(`
    "error: no machine of \`vm\` is running

    hint: debcast vm -C DIR -c vm
    "
  `);
});
