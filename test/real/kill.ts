// A command in a process group of its own, ended at some moment, and what it left: processes, mounts, files.
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface KillOptions {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The project: processes and mounts that know it are the command's. */
  readonly dir: string;
  /** Milliseconds after the start. */
  readonly after: number;
  /** To the whole group: SIGKILL, or SIGINT as Ctrl-C does it. */
  readonly signal: "SIGKILL" | "SIGINT";
  /** Directories outside of the project where nothing may be left, beside TMPDIR. */
  readonly watch?: readonly string[];
  /** How long processes may take to end, in ms (default 10 s: a busy machine). */
  readonly patience?: number;
}

export interface Killed {
  /** The command ended before it was killed. */
  readonly finished: boolean;
  readonly status: number | null;
  /** Empty when all is well. */
  readonly left: readonly string[];
}

const marker = "DEBCAST_TEST_RUN";

/**
 * Starts the command, kills its group at the moment, and looks for what is left once nothing changes any more. The command gets
 * a mount namespace and a TMPDIR that nobody else on this machine uses meanwhile, so whatever is there afterwards is its own.
 */
export async function killAt(o: KillOptions): Promise<Killed> {
  const mark = randomUUID();
  const temporary = mkdtempSync(join(tmpdir(), "debcast-kill-"));
  const watched = [temporary, ...(o.watch ?? ["/dev/shm", homedir()])];
  const holder = await holdNamespace();
  try {
    const before = { files: namesIn(watched), mounts: mounts(holder.pid!) };
    const child = spawn("nsenter", [`--target=${holder.pid}`, "--mount", "--wd=.", "--", ...o.argv], {
      cwd: o.dir, detached: true, stdio: "ignore", env: { ...process.env, TMPDIR: temporary, ...o.env, [marker]: mark },
    });
    const ended = new Promise<number | null>((resolve, reject) => child.on("error", reject).on("exit", (code) => resolve(code)));
    const finished = await Promise.race([ended.then(() => true), sleep(o.after, false)]);
    if (!finished) process.kill(-child.pid!, o.signal);
    const status = await ended;
    const processes = await gone(() => processesOf(mark, o.dir, holder.pid!), o.patience ?? 10_000);
    const files = namesIn(watched).filter((f) => !before.files.includes(f)).map((f) => `file ${f}`);
    const mounted = mounts(holder.pid!).filter((m) => !before.mounts.includes(m)).map((m) => `mount ${m}`);
    return { finished, status, left: [...processes, ...mounted, ...files] };
  } finally {
    holder.kill("SIGKILL");
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** A process that does nothing but hold a mount namespace. */
async function holdNamespace(): Promise<ChildProcess> {
  const holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep infinity"], { stdio: ["ignore", "pipe", "ignore"] });
  await new Promise<void>((resolve, reject) => {
    holder.on("error", reject).on("exit", () => reject(new Error("no mount namespace can be had")));
    holder.stdout!.once("data", () => resolve());
  });
  return holder;
}

/** The kernel takes a moment to end what it was told to; what is there after that stays. */
async function gone(find: () => string[], patience: number): Promise<string[]> {
  for (let waited = 0; ; waited += 50) {
    const found = find();
    if (found.length === 0 || waited >= patience) return found;
    await sleep(50);
  }
}

/** By the environment; and those in the sandbox, whose environment is their own, by the project's directory in their mounts. */
function processesOf(mark: string, dir: string, holder: number): string[] {
  const ours = ["self", holder].map((pid) => readlinkSync(`/proc/${pid}/ns/mnt`));
  return readdirSync("/proc").filter((p) => /^\d+$/.test(p)).flatMap((pid) => {
    try {
      if (readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")) return [];
      const own = readFileSync(`/proc/${pid}/environ`, "utf8").includes(`${marker}=${mark}`);
      const inside = () => !ours.includes(readlinkSync(`/proc/${pid}/ns/mnt`)) && readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(`${dir}/`);
      return own || inside() ? [`process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").slice(0, 200)}`] : [];
    } catch {
      return [];
    }
  });
}

function mounts(pid: number): string[] {
  return readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n").filter(Boolean);
}

function namesIn(dirs: readonly string[]): string[] {
  return dirs.flatMap((dir) => {
    try {
      return readdirSync(dir).map((name) => `${dir}/${name}`);
    } catch {
      return [];
    }
  });
}
