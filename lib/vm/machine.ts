// A machine that is running in QEMU, for whoever tests it.
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { lastLines, start } from "../run.ts";
import { openAgent, type Agent } from "./agent.ts";
import { openControl, type Control } from "./control.ts";
import { consoleLog, files, machine, type MachineOptions } from "./qemu.ts";

export interface Machine {
  readonly agent: Agent;
  readonly control: Control;
  readonly dir: string;
  readonly sshPort: number;
  /** All that was on the serial console so far. */
  console(): string;
  /** As if at a terminal on the serial port; `\r` is Enter. */
  type(text: string): void;
  /** Settles with QEMU's status when it has ended. */
  readonly ended: Promise<number>;
  /** At once, as if its plug were pulled. */
  kill(): Promise<void>;
}

export type StartOptions = Omit<MachineOptions, "dir" | "sshPort" | "terminal"> & { readonly dir?: string };

/** Whatever becomes of it: nothing of it is left when it does not start, nor when this process ends before it. */
export async function startMachine(o: StartOptions): Promise<Machine> {
  // Paths of sockets are short.
  const dir = o.dir ?? mkdtempSync(join(tmpdir(), "vm-"));
  const clear = () => o.dir === undefined && rmSync(dir, { recursive: true, force: true });
  let qemu: Qemu | undefined;
  const onExit = () => {
    qemu?.child.kill("SIGKILL");
    clear();
  };
  process.once("exit", onExit);
  const end = async () => {
    qemu?.child.kill("SIGKILL");
    await qemu?.ended;
    process.off("exit", onExit);
    clear();
  };
  try {
    const sshPort = await freePort();
    qemu = startQemu({ ...o, dir, sshPort, terminal: false });
    return await connected(qemu, { dir, sshPort, log: consoleLog({ ...o, dir }), end });
  } catch (e) {
    await end();
    throw e;
  }
}

interface Qemu {
  readonly child: ChildProcess;
  readonly ended: Promise<number>;
  isOver(): boolean;
  /** Of one that ended while it was spoken to for the first time. */
  notStarted(): UserError;
}

function startQemu(o: MachineOptions): Qemu {
  mkdirSync(o.dir, { recursive: true });
  for (const name of [files.control, files.agent, files.serial]) rmSync(join(o.dir, name), { force: true });
  const log = consoleLog(o);
  mkdirSync(dirname(log), { recursive: true });
  rmSync(log, { force: true });
  const child = start(machine(o));
  let said = "";
  child.stderr!.on("data", (piece: Buffer) => (said += piece.toString()));
  const ended = new Promise<number>((resolve) => {
    child.on("exit", (code) => resolve(code ?? -1));
    child.on("error", (e) => ((said += e.message), resolve(-1)));
  });
  let over = false;
  void ended.then(() => (over = true));
  return { child, ended, isOver: () => over, notStarted: () => new UserError("vm.start", "QEMU does not start", { details: lastLines(said) }) };
}

async function connected(qemu: Qemu, o: { dir: string; sshPort: number; log: string; end: () => Promise<void> }): Promise<Machine> {
  const { dir, sshPort, log, end } = o;
  const { ended } = qemu;
  const to = async (name: string): Promise<Socket> => {
    for (;;) {
      const socket = await tryConnect(join(dir, name));
      if (socket) return socket;
      if (qemu.isOver()) throw qemu.notStarted();
      await sleep(20);
    }
  };
  const control = await openControl(await to(files.control)).catch(async () => {
    await ended;
    throw qemu.notStarted();
  });
  const agent = openAgent(await to(files.agent));
  const serial = await to(files.serial);
  serial.resume();
  serial.on("error", () => {});
  return {
    agent, control, dir, sshPort, ended,
    console: () => (existsSync(log) ? readFileSync(log, "latin1") : ""),
    type: (text) => void serial.write(text),
    kill: async () => {
      await end();
      agent.close();
      control.close();
      serial.destroy();
    },
  };
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A port of loopback that nobody has. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
