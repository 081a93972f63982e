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

/** Looks for the host programs; installs missing ones as root, else says which line would. */
export async function ensureHostPrograms(emit: Emit, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const root = process.getuid?.() === 0;
  const missing = missingPrograms(root, `${env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`);
  if (missing.length === 0) return;
  const packages = missing.map((p) => p.package);
  if (!root) {
    throw new UserError("set-up.missing", `this machine lacks ${missing.map((p) => `\`${p.commands[0]}\` (${p.why})`).join(", ")}`, {
      hint: `sudo apt-get install ${packages.join(" ")}`,
    });
  }
  emit({ type: "note", text: `installing ${packages.join(", ")}` });
  await aptInstall(packages);
}

export function missingPrograms(root: boolean, path: string): HostProgram[] {
  const dirs = path.split(delimiter).filter((d) => d !== "");
  const has = (command: string) => dirs.some((d) => executable(join(d, command)));
  return hostPrograms.filter((p) => !(p.when === "not root" && root) && !p.commands.some(has));
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function aptInstall(packages: readonly string[]): Promise<void> {
  const env = { ...(process.env as Record<string, string>), DEBIAN_FRONTEND: "noninteractive" };
  const what = "could not install what debcast needs on this machine";
  await run(["apt-get", "update", "-q"], { env, what });
  await run(["apt-get", "install", "-qy", "--no-install-recommends", ...packages], { env, what });
}
