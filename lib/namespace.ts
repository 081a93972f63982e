// The namespaces that a whole build runs in. Mounts made inside vanish with the last process, however it ended; a normal user
// gets a user namespace, in which the user is root and the subordinate ids are everybody else, so the same code runs.
import { spawn } from "node:child_process";
import { mkdirSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { exitStatus } from "./errors.ts";
import { adviceFor, readFacts, whatIsMissing, type Facts } from "./namespace/advice.ts";
import { collect } from "./run.ts";

/** For the program inside: `OWNER-MAP PID-OF-THE-OUTER-ONE ITS-MOUNT-NAMESPACE`. */
const mark = "DEBCAST_NAMESPACE";

/** Whether this process runs in namespaces of its own. A mark that was inherited from elsewhere does not count. */
export function insideNamespaces(): boolean {
  const [, , outside] = marked();
  return outside !== undefined && outside !== mountNamespace();
}

/** Whose ids the trees carry: caches that keep owners are kept apart by it. */
export function ownerMap(): string {
  return insideNamespaces() ? marked()[0]! : ownerMapOutside();
}

/** A command to which the owners of a tree are what they are in the image, from outside of the namespaces; it ends with this process. */
export function asOwner(argv: readonly string[]): string[] {
  const enter = insideNamespaces() || process.getuid!() === 0 ? [] : ["unshare", "--user", "--map-root-user", "--map-auto"];
  return [...enter, "setpriv", "--pdeathsig", "KILL", ...argv];
}

/**
 * Runs this very command again inside of the namespaces and ends with its status; inside, does nothing. The inner process
 * dies with the outer one, and the outer one passes on what it is told.
 */
export async function enterNamespaces(o: { lock?: string; waits?: () => void } = {}): Promise<void> {
  if (insideNamespaces()) return dieIfOrphaned();
  const facts = readFacts();
  const missing = whatIsMissing(facts);
  if (missing) throw missing;
  await probe(facts);
  const value = [ownerMapOutside(), process.pid, mountNamespace()].join(" ");
  const argv = [...unshare(facts.root), "setpriv", "--pdeathsig", "KILL", process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const env = { ...process.env, [mark]: value };
  if (o.lock === undefined) process.exit(await runInside(argv, env));
  mkdirSync(dirname(o.lock), { recursive: true });
  // A lock of the kernel's, which ends with the process that runs under it, however that ends.
  const status = await runInside(["flock", "--no-fork", "--nonblock", "--conflict-exit-code", String(taken), o.lock, ...argv], env);
  if (status !== taken) process.exit(status);
  o.waits?.();
  process.exit(await runInside(["flock", "--no-fork", o.lock, ...argv], env));
}

/** What flock ends with when somebody else has the lock; no status of ours. */
const taken = 75;

/** Runs it to its end, and passes on what this process is told. */
async function runInside(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(argv[0]!, argv.slice(1), { stdio: "inherit", env });
  // Ctrl-C at a terminal reaches the inner one as well, where a second one does no harm.
  let interrupted = false;
  const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
    const handler = () => {
      interrupted ||= signal === "SIGINT";
      child.kill(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
  if (interrupted || status === 128 + constants.signals.SIGINT) process.exit(exitStatus.interrupted);
  for (const off of handlers) off();
  return status;
}

function marked(): string[] {
  return (process.env[mark] ?? "").split(" ");
}

function mountNamespace(): string {
  return readlinkSync("/proc/self/ns/mnt");
}

function ownerMapOutside(): string {
  const uid = process.getuid!();
  return uid === 0 ? "root" : `user-${uid}`;
}

/** Whoever was killed before the kernel was asked to tell us is no longer our parent. */
function dieIfOrphaned(): void {
  if (Number(marked()[1]) !== process.ppid) process.kill(process.pid, "SIGKILL");
}

function unshare(root: boolean): string[] {
  return ["unshare", ...(root ? [] : ["--user", "--map-root-user", "--map-auto"]), "--mount", "--propagation", "private"];
}

/** One try first of all that a sandbox does, so that a refusal becomes advice instead of a riddle in the middle of a build. */
async function probe(facts: Facts): Promise<void> {
  const mounts = "mount -t proc probe /proc && mount -t tmpfs probe /tmp";
  const r = await collect([...unshare(facts.root), "unshare", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", mounts]);
  if (r.code !== 0) throw adviceFor(facts, r.stderr.trim());
}
