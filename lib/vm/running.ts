// out/NAME.vm.json: how to reach the machine that `debcast vm` has running.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Conf } from "../plan/plan.ts";
import type { Project } from "../project.ts";

export interface Running {
  readonly port: number;
  /** Of the debcast that looks after it. */
  readonly pid: number;
  /** Who may log in, as far as the conf says. */
  readonly user?: string;
  /** The disk that it was started from, when that is not the conf's own. */
  readonly file?: string;
}

function runningFile(project: Project, name: string): string {
  return join(project.outDir, `${name}.vm.json`);
}

export function record(project: Project, name: string, r: Running): void {
  mkdirSync(project.outDir, { recursive: true });
  writeFileSync(runningFile(project, name), JSON.stringify(r));
}

/** Another machine of that name, started since, stays known. */
export function forget(project: Project, name: string): void {
  const file = runningFile(project, name);
  const r = recorded(file);
  if (r?.pid === process.pid) rmSync(file, { force: true });
}

function recorded(file: string): Running | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Running) : undefined;
}

export function runningMachine(project: Project, name: string): Running {
  const r = recorded(runningFile(project, name));
  if (r && existsSync(`/proc/${r.pid}`)) return r;
  throw new UserError("ssh.none", `no machine of \`${name}\` is running`, { hint: "debcast vm" });
}

/** Where its sshd listens. Options are checked only when the plan is made: what is no port is none of ours to tell. */
export function guestPortOf(conf: Conf): number {
  const port = conf.options.ssh?.port;
  return typeof port === "number" ? port : 22;
}

/** Whoever may log in over the network. */
export function userOf(conf: Conf): string | undefined {
  const allowed = conf.options.ssh?.allow as readonly string[] | undefined;
  return allowed?.[0] ?? conf.users[0]?.name;
}
