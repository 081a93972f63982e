// The namespaces that a whole build runs in. Mounts made inside vanish with the last process, however it ended; a normal user
// gets a user namespace, in which the user is root and the subordinate ids are everybody else, so the same code runs.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants, userInfo } from "node:os";
import { UserError, exitStatus } from "./errors.ts";
import { run } from "./run.ts";

/** Set for the program inside; its value is the owner map. */
const mark = "DEBCAST_OWNER_MAP";

export function insideNamespaces(): boolean {
  return process.env[mark] !== undefined;
}

/** Whose ids the trees carry: caches that keep owners are kept apart by it. */
export function ownerMap(): string {
  return process.env[mark] ?? (process.getuid!() === 0 ? "root" : `user-${process.getuid!()}`);
}

/**
 * Runs this very command again inside of the namespaces and ends with its status; inside, does nothing. The inner process
 * dies with the outer one.
 */
export async function enterNamespaces(): Promise<void> {
  if (insideNamespaces()) return;
  const root = process.getuid!() === 0;
  const unshare = ["unshare", ...(root ? [] : ["--user", "--map-root-user", "--map-auto"]), "--mount", "--propagation", "private"];
  await probe(unshare, root);
  const argv = [...unshare, "setpriv", "--pdeathsig", "KILL", process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(argv[0]!, argv.slice(1), { stdio: "inherit", env: { ...process.env, [mark]: ownerMap() } });
  // A terminal sends Ctrl-C to both; the outer one only waits.
  let interrupted = false;
  process.on("SIGINT", () => (interrupted = true));
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
  process.exit(interrupted || status === 128 + constants.signals.SIGINT ? exitStatus.interrupted : status);
}

/** One cheap try first, so that a refusal becomes advice. */
async function probe(unshare: readonly string[], root: boolean): Promise<void> {
  const r = await run([...unshare, "true"], { ok: Array.from({ length: 256 }, (_, i) => i), what: "could not try namespaces" });
  if (r.code === 0) return;
  throw root ? rootRefused(r.stderr) : userRefused(r.stderr, userInfo().username);
}

function rootRefused(stderr: string): UserError {
  return new UserError("namespace.refused", "this machine lets root make no mount namespace, so there is no safe place to build in", {
    details: stderr.trim(),
    hint: "in a container, give it CAP_SYS_ADMIN (`--cap-add SYS_ADMIN --security-opt apparmor=unconfined`), or build as a normal user",
  });
}

/** What a normal user's namespace lacks, by what there is to see. */
export function userRefused(stderr: string, user: string, read: (file: string) => string | undefined = readIfThere): UserError {
  const range = (file: string) => (read(file) ?? "").split("\n").some((l) => l.startsWith(`${user}:`));
  if (!range("/etc/subuid") || !range("/etc/subgid")) {
    return new UserError("namespace.no-subids", `the user \`${user}\` has no subordinate ids, which the image's owners need`, {
      hint: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
    });
  }
  if (read("/proc/sys/kernel/unprivileged_userns_clone")?.trim() === "0" || read("/proc/sys/user/max_user_namespaces")?.trim() === "0") {
    return new UserError("namespace.forbidden", "this machine forbids normal users to make namespaces", {
      details: stderr.trim(),
      hint: "sudo sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000\nor build as root",
    });
  }
  return new UserError("namespace.failed", "a user namespace could not be made", {
    details: stderr.trim(),
    hint: "sudo apt-get install uidmap\nin a container or under AppArmor, allow user namespaces, or build as root",
  });
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
