// The host programs that debcast cannot do without, each with its reason, and how the missing ones come.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Emit } from "./events.ts";
import { UserError } from "./errors.ts";
import { run } from "./run.ts";

interface HostProgram {
  /** Any one of these will do. */
  readonly commands: readonly string[];
  /** The Debian package that brings it. */
  readonly package: string;
  readonly why: string;
  readonly when?: "not root";
}

export const hostPrograms: readonly HostProgram[] = [
  { commands: ["unshare"], package: "util-linux", why: "namespaces for the sandbox" },
  { commands: ["mount"], package: "mount", why: "mounts inside of them" },
  { commands: ["xz"], package: "xz-utils", why: "decompresses package indexes and .debs" },
  { commands: ["gpgv", "sqv"], package: "gpgv", why: "verifies the archive's signature" },
  { commands: ["newuidmap"], package: "uidmap", why: "maps a normal user's subordinate ids", when: "not root" },
];

export interface Host {
  readonly root: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where programs are looked for. */
  readonly path: string;
}

/** Looks for the host programs; installs missing ones as root, else says which line would. */
export async function ensureHostPrograms(emit: Emit, host: Host = thisHost()): Promise<void> {
  const missing = missingPrograms(host);
  if (missing.length === 0) return;
  if (!host.root) throw lacking(missing, "sudo apt-get install");
  emit({ type: "note", text: `installing ${missing.map((p) => p.package).join(", ")}` });
  await aptInstall(missing.map((p) => p.package), host.env);
  const still = missingPrograms(host);
  if (still.length > 0) throw lacking(still, "apt-get install --reinstall");
}

/** A normal user's PATH often lacks the places of root's programs. */
function thisHost(): Host {
  const { env } = process;
  return { root: process.getuid?.() === 0, env, path: [env.PATH ?? "", "/usr/sbin", "/sbin"].join(delimiter) };
}

export function missingPrograms(host: Pick<Host, "root" | "path">): HostProgram[] {
  const dirs = host.path.split(delimiter).filter((d) => d !== "");
  const has = (command: string) => dirs.some((d) => executable(join(d, command)));
  return hostPrograms.filter((p) => !(p.when === "not root" && host.root) && !p.commands.some(has));
}

function lacking(missing: readonly HostProgram[], command: string): UserError {
  return new UserError("set-up.missing", `this machine lacks ${missing.map((p) => `\`${p.commands[0]}\` (${p.why})`).join(", ")}`, {
    hint: `${command} ${missing.map((p) => p.package).join(" ")}`,
  });
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A machine that has just started may be busy with upgrades of its own: their lock is waited for. */
async function aptInstall(packages: readonly string[], given: Host["env"]): Promise<void> {
  const env = { ...(given as Record<string, string>), DEBIAN_FRONTEND: "noninteractive" };
  const what = "could not install what debcast needs on this machine";
  await run(["apt-get", "update", "-q"], { env, what });
  await run(["apt-get", "install", "-qy", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", ...packages], { env, what });
}
