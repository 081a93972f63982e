// The one door to other programs of the host. Programs inside an image go through sandbox.ts, which comes through here.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { UserError } from "./errors.ts";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly input?: string | Uint8Array;
  /** File descriptors for the child, as of child_process; "pipe" collects. */
  readonly stdin?: number | "ignore";
  readonly stdout?: number | "pipe" | "inherit";
  readonly stderr?: number | "pipe" | "inherit";
  /** Called with each piece of stdout and stderr, in order of arrival. */
  readonly onOutput?: (text: string) => void;
  /** What the command is for, in the error: "could not list packages". */
  readonly what?: string;
  /** Exit statuses that are no failure (default: 0). */
  readonly ok?: readonly number[];
  /** Whether to be ended by a signal is none either: the status is -1 then. */
  readonly signals?: boolean;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in order of arrival. */
  readonly all: string;
}

/** For `ok`: whoever asks looks at the status. */
export const anyStatus: readonly number[] = Array.from({ length: 256 }, (_, i) => i);

/** Runs `argv` and waits for it. A status outside of `ok` throws a UserError with the command and its last lines. */
export async function run(argv: readonly string[], o: RunOptions = {}): Promise<RunResult> {
  const { execa } = await import("execa");
  const [file, ...args] = argv;
  const child = execa(file!, args, {
    cwd: o.cwd,
    env: o.env,
    extendEnv: o.env === undefined,
    input: o.input,
    stdin: (o.input === undefined ? (o.stdin ?? "ignore") : "pipe") as "pipe",
    stdout: (o.stdout ?? "pipe") as "pipe",
    stderr: (o.stderr ?? "pipe") as "pipe",
    all: true,
    reject: false,
    stripFinalNewline: false,
    buffer: true,
    maxBuffer: 64 << 20,
  });
  if (o.onOutput) (child.all as Readable | undefined)?.on("data", (piece: Buffer) => o.onOutput!(piece.toString()));
  const r = await child;
  const result: RunResult = { code: r.exitCode ?? -1, stdout: text(r.stdout), stderr: text(r.stderr), all: text(r.all) };
  if (r.exitCode !== undefined && (o.ok ?? [0]).includes(r.exitCode)) return result;
  if (r.signal !== undefined && o.signals) return result;
  throw new UserError("run.failed", `${o.what ? `${o.what}: ` : ""}\`${shellQuote(argv)}\` ${howItEnded(r)}`, {
    details: lastLines(text(r.all)),
    cause: r.cause,
  });
}

/**
 * What a program says, of which nothing else is wanted; without the 50 ms that `run` takes to load what it runs with. `latin1`: a
 * character for each byte, where names need not be text.
 */
export function collect(argv: readonly string[], cwd = ".", encoding: "utf8" | "latin1" = "utf8"): Promise<{ code: number; stdout: string; stderr: string }> {
  const [file, ...args] = argv;
  return new Promise((resolve) => {
    execFile(file!, args, { cwd, encoding, maxBuffer: 256 << 20 }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr }));
  });
}

/** Starts a program that is listened to while it runs, and talked to with `stdin: "pipe"`; whoever starts it ends it. */
export function start(argv: readonly string[], o: { stdin?: "ignore" | "pipe"; env?: Record<string, string> } = {}): ChildProcess {
  const [file, ...args] = argv;
  return spawn(file!, args, { stdio: [o.stdin ?? "ignore", "pipe", "pipe"], ...(o.env && { env: { ...process.env, ...o.env } }) });
}

/** Gives a program the terminal until it ends, and returns its status. `stdout: 2`: what it says is said, but is no result of ours. */
export function onTerminal(argv: readonly string[], stdout: 1 | 2 = 1, env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const [file, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args, { stdio: ["inherit", stdout, "inherit"], env });
    // It does not outlive us: a machine would go on with nobody at its terminal.
    const onExit = () => void child.kill();
    process.once("exit", onExit);
    child.on("error", (e) => (process.off("exit", onExit), reject(e)));
    child.on("exit", (code) => (process.off("exit", onExit), resolve(code ?? -1)));
  });
}

function text(v: unknown): string {
  return typeof v === "string" ? v : "";
}

function howItEnded(r: { exitCode?: number | undefined; signal?: string | undefined; code?: string | undefined }): string {
  if (r.exitCode !== undefined) return `ended with status ${r.exitCode}`;
  if (r.signal !== undefined) return `was ended by ${r.signal}`;
  return r.code === "ENOENT" ? "was not found" : `could not start (${r.code ?? "unknown reason"})`;
}

/** The last `n` lines of an output, for an error. */
export function lastLines(output: string, n = 20): string {
  return output.trimEnd().split("\n").slice(-n).join("\n");
}

/** `argv` as a line that a shell would take. */
export function shellQuote(argv: readonly string[]): string {
  return argv.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", `'\\''`)}'`)).join(" ");
}
