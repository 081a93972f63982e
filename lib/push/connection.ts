// One connection of the system's ssh to a device, shared by all that a push does there: a new session on it takes one round trip.
//
// It is made by `dial`, in the process whose ssh config, agent and known hosts the user means. Whatever uses it, `attach`, needs nothing
// but the directory of its socket, and so may run in a user namespace, where ssh would look for root's home. The directory says
// how it stands: `socket` once it is up, `log` with what ssh says, `ended` when ssh is no more. ssh ends with the process that dialled.
import type { ChildProcess } from "node:child_process";
import { constants, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { mayAccess } from "../hosterrors.ts";
import { shellQuote, start } from "../run.ts";
import type { Device } from "./devices.ts";
import { failureOf, lost, rootRefused } from "./sshfailures.ts";

/** Plain data: what a process needs to use a connection that another has dialled. */
export interface Line {
  readonly device: Device;
  readonly dir: string;
}

export interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** `latin1`: what it prints is bytes, with a character for each. */
  readonly encoding?: "utf8" | "latin1";
}

export interface Connection {
  readonly device: Device;
  /** Runs a script of `sh -eu` there, as root, and waits. A connection that breaks off, or a user who may not become root, throws. */
  run(script: string, o?: RunOptions): Promise<Answer>;
  /** Starts one that is talked to while it runs. */
  session(script: string): Session;
  /** The command that gives a script the terminal. */
  terminal(script: string): readonly string[];
  /** Words for `rsync --rsh`: sessions of this connection, whatever host rsync names. */
  readonly rsh: readonly string[];
  /** For `rsync --rsync-path`. */
  readonly rsyncPath: string;
  /** What became of the connection: an error if it broke off, for whoever sees another program fail on it (rsync). */
  broken(): Error | undefined;
  /** Ends it, where it was dialled by this process. */
  close(): Promise<void>;
}

export interface Session {
  /** What it prints, line by line, without line breaks; ends with the script. Throws when the connection breaks off. */
  readonly lines: AsyncIterable<string>;
  write(line: string): void;
  /** Its standard input is at an end. */
  end(): void;
  /** Its exit status and what it said to stderr. */
  readonly ended: Promise<{ status: number; stderr: string }>;
}

/** Seconds for the first answer of a device, and for all until one has logged in: somebody may have to touch a key. */
const patience = { answer: 10, login: 120 };

/** Begins a connection and returns at once; `attach` waits for it. */
export function dial(device: Device): Line {
  sweep();
  const dir = mkdtempSync(join(runtimeDir(), `${prefix}${process.pid}-`));
  const argv = [
    "setpriv", "--pdeathsig", "KILL",
    "ssh", "-E", join(dir, files.log), "-M", "-S", join(dir, files.socket), "-N", "-T", "-a", "-x",
    // The first that is given counts: a device may differ in what comes after its own.
    ...[
      "BatchMode=yes", "ControlPersist=no", "ClearAllForwardings=yes", "RemoteCommand=none", "PermitLocalCommand=no", "LogLevel=INFO",
      ...device.ssh,
      `ConnectTimeout=${patience.answer}`, "ConnectionAttempts=1", "ServerAliveInterval=5", "ServerAliveCountMax=3",
    ].flatMap((option) => ["-o", option]),
    ...(device.port === undefined ? [] : ["-p", String(device.port)]),
    "--", device.host,
  ];
  const child = start(argv, { env: { LC_ALL: "C" } });
  let said = "";
  child.stderr!.on("data", (piece: Buffer) => (said += piece.toString()));
  const tooLong = setTimeout(() => {
    if (existsSync(join(dir, files.socket))) return;
    said += "the login timed out\n";
    child.kill("SIGKILL");
  }, patience.login * 1000).unref();
  const gone = new Promise<void>((resolve) => {
    child.on("error", (e) => ((said += `${e.message}\n`), resolve()));
    child.on("exit", () => resolve());
  }).then(() => {
    clearTimeout(tooLong);
    if (existsSync(dir)) writeFileSync(join(dir, files.ended), said);
  });
  const remove = () => rmSync(dir, { recursive: true, force: true });
  const onExit = () => {
    child.kill("SIGKILL");
    remove();
  };
  process.once("exit", onExit);
  dialled.set(dir, async () => {
    process.off("exit", onExit);
    child.kill("SIGTERM");
    await gone;
    remove();
  });
  return { device, dir };
}

/** Connects to a device. Throws a UserError that says why it could not. */
export async function connect(device: Device): Promise<Connection> {
  const line = dial(device);
  try {
    return await attach(line);
  } catch (e) {
    await hangUp(line);
    throw e;
  }
}

/** The connection of a line, once it is up. Throws a UserError that says why it is not. */
export async function attach(line: Line): Promise<Connection> {
  const { device, dir } = line;
  while (!existsSync(join(dir, files.socket))) {
    if (existsSync(join(dir, files.ended)) || !existsSync(dir)) throw failureOf(device, said(dir));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // With no socket ssh would make a connection of its own, to a host of that name.
  const rsh = ["ssh", "-F", "none", "-S", join(dir, files.socket), "-o", "ProxyCommand=false", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-T"];
  const argv = (script: string) => [...rsh, "device", asRoot(["sh", "-euc", script])];
  const broken = () => (existsSync(join(dir, files.socket)) && !existsSync(join(dir, files.ended)) ? undefined : lost(device, said(dir)));
  const wrong: Judge = async (status, stderr) => {
    if (status !== 255) return status === 0 ? undefined : rootRefused(device, stderr);
    // A script may end with 255, too; and of a connection that ends, ssh learns a moment after who uses it.
    const wait = async (seconds: number, until: () => boolean) => {
      for (const end = Date.now() + seconds * 1000; !until() && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await wait(5, () => broken() !== undefined);
    // It takes its socket away before it says why.
    if (broken()) await wait(2, () => existsSync(join(dir, files.ended)) || !existsSync(dir));
    return broken() ?? (/^(mux_client|Connection closed by UNKNOWN|Control socket)/m.test(stderr) ? lost(device, stderr) : undefined);
  };
  return {
    device, rsh, broken,
    rsyncPath: asRoot(["rsync"]),
    run: async (script, o = {}) => {
      const r = await talk(start(argv(script), { stdin: o.input === undefined ? "ignore" : "pipe" }), o);
      const error = await wrong(r.status, r.stderr);
      if (error) throw error;
      return r;
    },
    session: (script) => openSession(start(argv(script), { stdin: "pipe" }), wrong),
    terminal: (script) => [...rsh.filter((word) => word !== "-T"), ...(process.stdin.isTTY && process.stdout.isTTY ? ["-t"] : ["-T"]), "device", asRoot(["sh", "-euc", script])],
    close: () => hangUp(line),
  };
}

/** Whether it may still come about, or is up. */
export function isAlive({ dir }: Line): boolean {
  return existsSync(dir) && !existsSync(join(dir, files.ended));
}

/** Ends a connection that this process dialled, and leaves any other alone. */
export async function hangUp(line: Line): Promise<void> {
  await dialled.get(line.dir)?.();
  dialled.delete(line.dir);
}

// ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether how a script ended was not the script's doing. */
type Judge = (status: number, stderr: string) => Promise<Error | undefined>;

/** All that a program says, once it has ended. */
function talk(child: ChildProcess, o: RunOptions): Promise<Answer> {
  const [out, err]: Buffer[][] = [[], []];
  child.stdout!.on("data", (piece: Buffer) => out!.push(piece));
  child.stderr!.on("data", (piece: Buffer) => err!.push(piece));
  if (child.stdin) {
    child.stdin.on("error", () => {});
    child.stdin.end(o.input);
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? 255, stdout: Buffer.concat(out!).toString(o.encoding ?? "utf8"), stderr: Buffer.concat(err!).toString() }));
  });
}

function openSession(child: ChildProcess, wrong: Judge): Session {
  let stderr = "";
  child.stderr!.on("data", (piece: Buffer) => (stderr += piece.toString()));
  // Whoever writes to a script that has ended hears so from its status.
  child.stdin!.on("error", () => {});
  const ended = new Promise<{ status: number; stderr: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? 255, stderr }));
  }).then(async (end) => {
    const error = await wrong(end.status, end.stderr);
    if (error) throw error;
    return end;
  });
  ended.catch(() => {});
  return {
    lines: linesOf(child, ended),
    write: (line) => void child.stdin!.write(`${line}\n`),
    end: () => void child.stdin!.end(),
    ended,
  };
}

async function* linesOf(child: ChildProcess, ended: Promise<unknown>): AsyncGenerator<string> {
  for await (const line of createInterface({ input: child.stdout!, crlfDelay: Infinity })) yield line;
  await ended;
}

/** As a command for the shell of whoever logs in: root's as it is, anybody else's with sudo. Starts no process to find out. */
function asRoot(argv: readonly string[]): string {
  return `[ -O / ] || set -- sudo -n; exec "$@" ${shellQuote(argv)}`;
}

// ── Places ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const files = { socket: "socket", log: "log", ended: "ended" } as const;
const prefix = "debcast-ssh-";
const dialled = new Map<string, () => Promise<void>>();

/** The path of a socket is short, so it cannot lie in the project. */
function runtimeDir(): string {
  return [process.env.XDG_RUNTIME_DIR, tmpdir()].find((dir) => dir && dir.length <= 40 && mayAccess(dir, constants.W_OK)) ?? "/tmp";
}

/** Removes our directories of processes that were killed. */
function sweep(): void {
  for (const name of readdirSync(runtimeDir()).filter((n) => n.startsWith(prefix))) {
    const dir = join(runtimeDir(), name);
    const isGone = !existsSync(`/proc/${name.slice(prefix.length).split("-")[0]}`);
    if (isGone && statSync(dir, { throwIfNoEntry: false })?.uid === process.getuid!()) rmSync(dir, { recursive: true, force: true });
  }
}

function said(dir: string): string {
  return [files.log, files.ended].map((f) => (existsSync(join(dir, f)) ? readFileSync(join(dir, f), "utf8") : "")).join("");
}
