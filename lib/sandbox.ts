// Where programs of an image run: own mount, PID, IPC, UTS and network namespaces, few capabilities, nothing of the host to see.
// The root of these namespaces is the tools tree, read-only; PID 1 stays there, outside of the image, and the program runs in a
// chroot below it. When PID 1 ends, every process and mount ends with it; and it ends with us, however we end.
import { lstatSync, mkdirSync, readFileSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { UserError } from "./errors.ts";
import { anyStatus, lastLines, run, shellQuote, type RunOptions, type RunResult } from "./run.ts";
import { layResolvConf } from "./sandbox/network.ts";
import { imageMounts, lastScript, mountPoints, outerScript, preloaded, setUpFailed, setUpScript, setUpStatus, skeleton, toolsMounts, type Mount } from "./sandbox/script.ts";
import { leakedDescriptors } from "./sandbox/descriptors.ts";
import { findUser } from "./sandbox/user.ts";

export interface Sandbox {
  /** The tools tree, made ready by `prepareTools`. */
  readonly tools: string;
  /** SOURCE_DATE_EPOCH for whatever runs. */
  readonly epoch: number;
}

export interface SandboxOptions {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Directory in the image (default `/`). */
  readonly cwd?: string;
  /** A user of the image (default root). */
  readonly user?: string;
  readonly stdin?: string | Uint8Array;
  /** File descriptor; without one what it says is collected. */
  readonly stdout?: number;
  /** Directory of the host that is to be seen, read-only, at /mnt. */
  readonly sees?: string;
  /** Files of the host that are found in the place of files of the image, whose paths must not lead through links. */
  readonly over?: readonly { readonly from: string; readonly path: string }[];
  /** The host's network, and its resolv.conf laid over the image's. */
  readonly network?: boolean;
  /** fsync and its like do nothing (default true): where `root` does not see to that itself, by a library that each program loads. */
  readonly eatmydata?: boolean;
  /** A person sits at the terminal. */
  readonly interactive?: boolean;
  readonly onOutput?: (text: string) => void;
  readonly ok?: readonly number[];
  readonly what?: string;
}

export interface ToolsOptions extends Pick<RunOptions, "onOutput" | "ok" | "what" | "input" | "stdout"> {
  readonly argv: readonly string[];
  /** Directories of the host, at mount points of the tools tree. */
  readonly binds: readonly { readonly from: string; readonly to: "/image" | "/in" | "/out"; readonly ro?: boolean }[];
}

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Makes the directories that every sandbox mounts on. */
export function prepareTools(tools: string): void {
  for (const dir of [...mountPoints, skeleton.dir, ...skeleton.dirs.map((d) => join(skeleton.dir, d))]) mkdirSync(join(tools, dir), { recursive: true });
  for (const file of skeleton.files) writeFileSync(join(tools, skeleton.dir, file), "");
  for (const [name, target] of Object.entries(skeleton.links)) symlinkSync(target, join(tools, skeleton.dir, name));
}

/** Runs a program of the image `root` in its sandbox. */
export async function inSandbox(s: Sandbox, root: string, o: SandboxOptions): Promise<RunResult> {
  const user = o.user === undefined ? undefined : findUser(root, o.user);
  const preload = o.eatmydata === false || isVolatile(root) ? undefined : preloadOf(s.tools);
  readyMountPoints(root);
  const resolv = o.network ? layResolvConf(root) : undefined;
  const env = {
    PATH: path, HOME: user?.home ?? "/root", LC_ALL: "C.UTF-8", SOURCE_DATE_EPOCH: String(s.epoch),
    ...(preload !== undefined && { LD_PRELOAD: preloaded }),
    ...(o.interactive && process.env.TERM !== undefined && { TERM: process.env.TERM }),
    ...o.env,
  };
  const who = user ? [`--userspec=+${user.uid}:+${user.gid}`, `--groups=${user.groups.join(",")}`] : [];
  // The directory is the image's to resolve: a link in it must not lead out here.
  const inDir = o.cwd === undefined || o.cwd === "/" ? [] : ["/usr/bin/env", `--chdir=${o.cwd}`];
  try {
    return await enter(s, {
      mounts: [...toolsMounts(preload), ...imageMounts(s.tools, root), ...(o.sees === undefined ? [] : [{ from: o.sees, to: "/image/mnt", options: "bind,ro" }]), ...(o.over ?? []).map(({ from, path }) => ({ from, to: `/image${path}`, options: "bind,ro" })), ...(resolv?.mounts ?? [])],
      argv: ["/usr/sbin/chroot", ...who, "/image", ...inDir, ...o.argv],
      network: o.network === true,
      interactive: o.interactive === true,
      env, shown: o.argv, ok: o.ok, what: o.what,
      run: { ...(o.stdin !== undefined && { input: o.stdin }), ...(o.stdout !== undefined && { stdout: o.stdout }), ...(o.onOutput && { onOutput: o.onOutput }) },
    });
  } finally {
    resolv?.undo();
  }
}

/** Runs a program of the tools tree, with directories bound into it. */
export async function inTools(s: Sandbox, o: ToolsOptions): Promise<RunResult> {
  const { argv, binds, ok, what, ...rest } = o;
  return enter(s, {
    mounts: [...toolsMounts(undefined), ...binds.map((b) => ({ from: b.from, to: b.to, options: b.ro ? "bind,ro" : "bind" }))],
    env: { PATH: path, HOME: "/", LC_ALL: "C.UTF-8", TZ: "UTC0", SOURCE_DATE_EPOCH: String(s.epoch) },
    network: false, interactive: false, argv, shown: argv, ok, what, run: rest,
  });
}

interface Entering {
  readonly mounts: readonly Mount[];
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly network: boolean;
  readonly interactive: boolean;
  /** The command as errors show it. */
  readonly shown: readonly string[];
  readonly ok: readonly number[] | undefined;
  readonly what: string | undefined;
  readonly run: Pick<RunOptions, "input" | "onOutput" | "stdout">;
}

async function enter(s: Sandbox, e: Entering): Promise<RunResult> {
  const names = Object.keys(e.env);
  const piped: (1 | 2)[] = e.interactive ? [] : e.run.stdout === undefined ? [1, 2] : [2];
  const outer = outerScript({ parent: process.pid, leaked: leakedDescriptors(), piped, network: e.network });
  // Without a terminal of its own nothing in there can type into ours.
  const session = e.interactive ? [] : ["setsid"];
  const result = await run([
    ...session, "setpriv", "--pdeathsig", "KILL",
    // With a socket for stdin bash takes itself for a remote shell and reads the host's ~/.bashrc.
    "bash", "--norc", "--noprofile", "-c", outer, "sandbox", setUpScript(s.tools, e.mounts), lastScript(names), "sandbox", ...e.argv,
  ], {
    // A normal user's PATH lacks the directories of pivot_root and chroot.
    env: { PATH: `${path}:${process.env.PATH ?? ""}`, LC_ALL: "C", ...Object.fromEntries(names.map((n, i) => [`DEBCAST_${i}`, e.env[n]!])) },
    ...e.run,
    ...(e.interactive && { stdin: 0, stdout: "inherit" as const, stderr: "inherit" as const }),
    ok: anyStatus,
    what: "could not start a sandbox",
  });
  return judge(e, result);
}

function judge(e: Entering, r: RunResult): RunResult {
  if ((r.code === setUpStatus && r.stderr.includes(setUpFailed)) || /^(unshare|setpriv|setsid): /.test(r.stderr)) throw notSetUp(r);
  if ((e.ok ?? [0]).includes(r.code)) return r;
  const signal = Object.entries(constants.signals).find(([, n]) => n + 128 === r.code)?.[0];
  throw new UserError("sandbox.failed", `${e.what ? `${e.what}: ` : ""}\`${shellQuote(e.shown)}\` ended with status ${r.code}${signal ? ` (${signal})` : ""}`, {
    details: lastLines(`${r.stdout}${r.stderr}`),
  });
}

function notSetUp(r: RunResult): UserError {
  return new UserError("sandbox.set-up", "the sandbox for programs of the image could not be set up", {
    details: lastLines(r.stderr.replace(setUpFailed, "")),
    hint: "in a container, it needs CAP_SYS_ADMIN and a /proc that is not masked (`--privileged`, or `--security-opt unmask=ALL`)",
  });
}

/** An ordinary Debian has them. A link in their place would have the mounts made elsewhere. */
function readyMountPoints(root: string): void {
  for (const dir of ["proc", "sys", "dev"]) {
    const there = lstatSync(join(root, dir), { throwIfNoEntry: false });
    if (!there) mkdirSync(join(root, dir), { mode: 0o755 });
    else if (!there.isDirectory()) throw new UserError("sandbox.no-directory", `\`/${dir}\` in the image is no directory`, { hint: "a package or scriptlet has replaced it" });
  }
}

/** Whether it is an overlay on which nothing is ever synced; 0.1 ms a process are a second in a build. */
function isVolatile(root: string): boolean {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.some((line) => line.split(" ")[4] === root && / - overlay \S+ (\S+,)?(fsync=)?volatile(,|$)/.test(line));
}

function preloadOf(tools: string): string | undefined {
  const lib = join(tools, "usr/lib");
  const dir = readdirSync(lib).find((d) => d.endsWith("-linux-gnu"));
  const so = dir && join(lib, dir, "libeatmydata.so");
  return so && lstatSync(so, { throwIfNoEntry: false }) ? realpathSync(so) : undefined;
}
