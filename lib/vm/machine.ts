// A machine that is running in QEMU, for whoever tests it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { lastLines, start } from "../run.ts";
import { openAgent, type Agent } from "./agent.ts";
import { openControl, type Control } from "./control.ts";
import { files, machine, type MachineOptions } from "./qemu.ts";

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

export async function startMachine(o: StartOptions): Promise<Machine> {
  // Paths of sockets are short.
  const dir = o.dir ?? mkdtempSync(join(tmpdir(), "vm-"));
  mkdirSync(dir, { recursive: true });
  for (const name of [files.control, files.agent, files.serial]) rmSync(join(dir, name), { force: true });
  const sshPort = await freePort();
  const child = start(machine({ ...o, dir, sshPort, terminal: false }));
  let said = "";
  child.stderr!.on("data", (piece: Buffer) => (said += piece.toString()));
  const ended = new Promise<number>((resolve) => {
    child.on("exit", (code) => resolve(code ?? -1));
    child.on("error", (e) => ((said += e.message), resolve(-1)));
  });
  let over = false;
  void ended.then(() => (over = true));
  const notStarted = () => new UserError("vm.start", "QEMU does not start", { details: lastLines(said) });
  const connected = async (name: string): Promise<Socket> => {
    for (;;) {
      const socket = await tryConnect(join(dir, name));
      if (socket) return socket;
      if (over) throw notStarted();
      await sleep(20);
    }
  };
  const control = await openControl(await connected(files.control)).catch(async () => {
    await ended;
    throw notStarted();
  });
  const agent = openAgent(await connected(files.agent));
  const serial = await connected(files.serial);
  serial.resume();
  serial.on("error", () => {});
  const onExit = () => child.kill("SIGKILL");
  process.once("exit", onExit);
  return {
    agent, control, dir, sshPort, ended,
    console: () => (existsSync(join(dir, files.console)) ? readFileSync(join(dir, files.console), "latin1") : ""),
    type: (text) => void serial.write(text),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      process.off("exit", onExit);
      agent.close();
      control.close();
      serial.destroy();
      if (o.dir === undefined) rmSync(dir, { recursive: true, force: true });
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
