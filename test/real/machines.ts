// Machines in QEMU for the tests: disks of the shipped confs in each root mode, and a running one that is ended in any case.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { engineRoot } from "../../lib/engine.ts";
import { loadConf } from "../../lib/conf.ts";
import { loadPlan } from "../../lib/plan/load.ts";
import type { Plan } from "../../lib/plan/plan.ts";
import { openProject } from "../../lib/project.ts";
import { bootTest, type Result } from "../../lib/vm/boottest.ts";
import { startMachine, type Machine } from "../../lib/vm/machine.ts";
import { accelerator } from "../../lib/vm/qemu.ts";
import { missingPrograms } from "../../lib/setup.ts";
import { debcastOk, project, sharedDownloads } from "./debcast.ts";

export type Mode = "rw" | "overlay" | "tmpfs";

/** Why no machine can be started here, or undefined. */
export function noMachines(): string | undefined {
  const missing = missingPrograms({ root: true, path: `${process.env.PATH}:/usr/sbin:/sbin`, for: "vm" });
  return missing.length === 0 ? undefined : `not installed: ${missing.map((m) => m.package).join(", ")}`;
}

/** conf/base.ts with another root mode, and scriptlets of the test's own. */
export function confOf(o: { disk?: string; scriptlets?: readonly string[]; listens?: string }): string {
  return `import { defineImage } from "debcast";
import base from "./base.ts";
export default defineImage({ ...base, disk: ${o.disk ?? "base.disk"}, scriptlets: [...base.scriptlets.filter((s) => s !== "rm"), ${(o.scriptlets ?? []).map((s) => JSON.stringify(s)).join(", ")}${o.scriptlets?.length ? ", " : ""}"rm"]${o.listens ? `, listens: ${o.listens}` : ""} });
`;
}

/** A project with confs of that kind, by name; `base` is the shipped one, and its lock that of all. */
export async function machineProject(confs: Readonly<Record<string, string>>, o: { parent: string; files?: Readonly<Record<string, string>> }): Promise<{ dir: string; [Symbol.dispose](): void }> {
  const shipped = (path: string) => readFileSync(join(engineRoot, path), "utf8");
  await debcastOk(["lock"]);
  const lock = shipped("conf/base.lock");
  return project({
    "conf/base.ts": shipped("conf/base.ts"), "conf/keys/dlog.pub": shipped("conf/keys/dlog.pub"), "conf/base.lock": lock,
    ...Object.fromEntries(Object.entries(confs).flatMap(([name, text]) => [[`conf/${name}.ts`, text], [`conf/${name}.lock`, lock]])),
    ...o.files,
  }, { parent: o.parent });
}

/** Builds image and disk of a conf; returns the disk. */
export async function diskIn(dir: string, name: string, ...more: string[]): Promise<string> {
  await debcastOk(["image", "-C", dir, "-c", name, "-q"]);
  await debcastOk(["disk", "-C", dir, "-c", name, "-q", ...more]);
  const file = join(dir, "out", `${name}.img`);
  if (statSync(file).size === 0) throw new Error(`${file} is empty`);
  return file;
}

export interface Booted extends AsyncDisposable {
  readonly machine: Machine;
  /** Runs a script in it; throws unless it ends with 0. */
  ask(script: string): Promise<string>;
}

/** Starts a machine and waits until it answers; `keep`: what it writes stays in the file. */
export async function boot(disk: string, o: { keep?: boolean; memory?: number; patience?: number; disks?: readonly string[] } = {}): Promise<Booted> {
  const accel = await accelerator(() => {});
  const machine = await startMachine({ disk, keep: o.keep === true, memory: o.memory ?? 1024, cpus: 2, disks: o.disks ?? [], usb: [], display: false, accel });
  const patience = o.patience ?? 400;
  const timer = new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`the machine is not up after ${patience} s:\n${machine.console().slice(-3000)}`)), patience * 1000).unref());
  try {
    const ended = machine.ended.then(() => Promise.reject(new Error(`the machine ended:\n${machine.console().slice(-3000)}`)));
    await Promise.race([machine.agent.up.catch(() => ended), timer, ended]);
  } catch (e) {
    await machine.kill();
    throw e;
  }
  const ask = async (script: string) => {
    const r = await machine.agent.ask(script);
    if (r.status !== 0) throw new Error(`\`${script}\` ended with ${r.status}: ${r.stdout}${r.stderr}`);
    return r.stdout.trim();
  };
  return { machine, ask, [Symbol.asyncDispose]: () => machine.kill() };
}

/** The plan of a conf, with `change` made to what it says of itself. */
export async function planIn(dir: string, name: string): Promise<Plan> {
  const p = openProject(dir, { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads });
  return loadPlan(p, await loadConf(p, name));
}

/** The assertions of boot-test on a running machine; those that failed, by name. */
export async function failures(machine: Machine, plan: Plan, conf: Partial<Plan["conf"]> = {}, within?: number): Promise<Record<string, string>> {
  const results: Result[] = await bootTest({ machine, plan: { ...plan, conf: { ...plan.conf, ...conf } }, patience: 400, ...(within !== undefined && { within }), done: () => {} });
  return Object.fromEntries(results.filter((r) => r.error).map((r) => [r.name, r.error!.message]));
}
