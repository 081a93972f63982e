// The host programs that debcast cannot do without, each with its reason, and how the missing ones come.
import { constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Emit } from "./events.ts";
import { UserError } from "./errors.ts";
import { mayAccess } from "./hosterrors.ts";
import { run } from "./run.ts";

/** What wants more than every build does. */
type Purpose = "vm" | "ssh" | "push";

interface HostProgram {
  /** Any one of these will do. */
  readonly commands: readonly string[];
  /** The Debian package that brings it. */
  readonly package: string;
  readonly why: string;
  readonly when?: "not root" | Purpose;
}

export const hostPrograms: readonly HostProgram[] = [
  { commands: ["unshare"], package: "util-linux", why: "namespaces for the sandbox" },
  { commands: ["mount"], package: "mount", why: "mounts inside of them" },
  { commands: ["xz"], package: "xz-utils", why: "decompresses package indexes and .debs" },
  { commands: ["gpgv", "sqv"], package: "gpgv", why: "verifies the archive's signature" },
  { commands: ["newuidmap"], package: "uidmap", why: "maps a normal user's subordinate ids", when: "not root" },
  { commands: ["qemu-system-x86_64"], package: "qemu-system-x86", why: "virtual machines", when: "vm" },
  { commands: ["/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/OVMF/OVMF_VARS.fd"], package: "ovmf", why: "their UEFI firmware", when: "vm" },
  { commands: ["ssh"], package: "openssh-client", why: "the way to a device", when: "ssh" },
  { commands: ["rsync"], package: "rsync", why: "brings it what changed", when: "push" },
];

export interface Host {
  readonly root: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where programs are looked for. */
  readonly path: string;
  /** Beyond what every build wants. */
  readonly for?: Purpose | undefined;
}

/** Looks for the host programs; installs missing ones as root, else says which line would. */
export async function ensureHostPrograms(emit: Emit, o: Partial<Host> = {}): Promise<void> {
  const host = { ...thisHost(), ...o };
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

export function missingPrograms(host: Pick<Host, "root" | "path" | "for">): HostProgram[] {
  const dirs = host.path.split(delimiter).filter((d) => d !== "");
  const has = (command: string) => (command.startsWith("/") ? existsSync(command) : dirs.some((d) => mayAccess(join(d, command), constants.X_OK)));
  const wanted = (p: HostProgram) => p.when === undefined || (p.when === "not root" ? !host.root : host.for === p.when || (host.for === "push" && p.when === "ssh"));
  return hostPrograms.filter((p) => wanted(p) && !p.commands.some(has));
}

function lacking(missing: readonly HostProgram[], command: string): UserError {
  return new UserError("set-up.missing", `this machine lacks ${missing.map((p) => `\`${p.commands[0]!.startsWith("/") ? p.package : p.commands[0]}\` (${p.why})`).join(", ")}`, {
    hint: `${command} ${missing.map((p) => p.package).join(" ")}`,
  });
}

/** A machine that has just started may be busy with upgrades of its own: their lock is waited for. */
async function aptInstall(packages: readonly string[], given: Host["env"]): Promise<void> {
  const env = { ...(given as Record<string, string>), DEBIAN_FRONTEND: "noninteractive" };
  const what = "could not install what debcast needs on this machine";
  await run(["apt-get", "update", "-q"], { env, what });
  await run(["apt-get", "install", "-qy", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", ...packages], { env, what });
}
