// A project whose image is small but can be pushed to, and a device on loopback that runs it.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer, connect, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { command, debcast, debcastOk, project, sharedDownloads, type Ran } from "./debcast.ts";
import { devicesConf, loopback, type Loopback } from "./loopback.ts";

export interface Bench extends AsyncDisposable {
  readonly dir: string;
  readonly image: string;
  readonly device: Loopback;
  /** Puts a file into the project. */
  put(path: string, text: string | Buffer): void;
  push(...args: string[]): Promise<Ran>;
}

const conf = `import { defineImage } from "debcast";
export default defineImage({
  suite: "trixie", arch: "amd64", hostname: "device", scriptlets: ["host", "ssh", "push", "app"], options: { ssh: { allow: ["me"] } }, users: [{ name: "me", password: "locked" }],
});
`;

/** `files` are further files of the project; a scriptlet \`app\` has to be among them. */
export async function bench(files: Readonly<Record<string, string>>, o: { size?: string } = {}): Promise<Bench> {
  const p = project({ "conf/base.ts": conf, ...files });
  await debcastOk(["image", "-q"], { cwd: p.dir });
  const image = join(p.dir, "image/base");
  const device = await loopback(image, o.size === undefined ? {} : { size: o.size });
  const put = (path: string, text: string | Buffer) => {
    mkdirSync(dirname(join(p.dir, path)), { recursive: true });
    writeFileSync(join(p.dir, path), text);
  };
  put("conf/devices.ts", devicesConf([device.line("dev")]));
  return {
    dir: p.dir, image, device, put,
    push: (...args) => debcast(["push", "dev", ...args], { cwd: p.dir }),
    [Symbol.asyncDispose]: async () => {
      await device.kill();
      p[Symbol.dispose]();
    },
  };
}

/** Waits until the sshd behind a port of loopback says who it is; QEMU takes connections long before. */
export async function sshAnswers(port: number): Promise<void> {
  for (;;) {
    const says = await new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      const over = (text: string) => (socket.destroy(), resolve(text));
      socket.setTimeout(20_000, () => over("")).once("data", (piece) => over(piece.toString())).once("error", () => over("")).once("close", () => over(""));
    });
    if (says.startsWith("SSH-")) return;
    await sleep(300);
  }
}

// ── Harm ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Started {
  readonly pid: number;
  readonly ended: Promise<{ status: number | null; stderr: string }>;
  /** Ids of the processes below it whose command line matches. */
  below(pattern: RegExp): number[];
}

/** A push that goes on while something is done to it. */
export function startPush(dir: string, ...args: string[]): Started {
  const child = spawn(process.execPath, [command, "push", "dev", ...args], { cwd: dir, detached: true, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads, NO_COLOR: "1" } });
  let stderr = "";
  child.stderr.on("data", (piece: Buffer) => (stderr += piece.toString()));
  return {
    pid: child.pid!,
    ended: new Promise((resolve) => child.on("close", (status) => resolve({ status, stderr }))),
    below: (pattern) => descendants(child.pid!).filter((pid) => pattern.test(commandLine(pid))),
  };
}

/** Does something while what the push sends with is stopped. */
export async function whileSendersWait<T>(push: Started, work: () => T | Promise<T>): Promise<T> {
  let senders: number[] = [];
  while ((senders = push.below(/^rsync /)).length === 0) await sleep(1);
  for (const pid of senders) process.kill(pid, "SIGSTOP");
  try {
    return await work();
  } finally {
    for (const pid of senders) process.kill(pid, "SIGCONT");
  }
}

export interface Watch extends AsyncDisposable {
  readonly pid: number;
  /** What it has said since `forget`. */
  said(): string;
  forget(): void;
  /** Waits for what `look` finds; throws with all that was said when it takes too long, or the watch has ended. */
  until(what: string, look: () => boolean): Promise<void>;
  readonly isUp: () => boolean;
  /** Interrupts it; its status. */
  end(): Promise<number | null>;
}

/** `push --watch` of these devices, until it is ended. */
export function startWatch(dir: string, ...devices: string[]): Watch {
  const child = spawn(process.execPath, [command, "push", "--watch", ...devices], { cwd: dir, env: { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads, NO_COLOR: "1", XDG_RUNTIME_DIR: "" }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (d: Buffer) => (said += d.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const end = () => {
    child.kill("SIGINT");
    return ended;
  };
  return {
    pid: child.pid!,
    said: () => said,
    forget: () => void (said = ""),
    until: async (what, look) => {
      for (const late = performance.now() + 400_000; !look(); await sleep(20)) {
        if (performance.now() > late || child.exitCode !== null) throw new Error(`${what} does not come; said so far:\n${said}`);
      }
    },
    isUp: () => child.exitCode === null,
    end,
    [Symbol.asyncDispose]: async () => void (await end()),
  };
}

function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((n) => /^\d+$/.test(n))) {
    try {
      const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, "utf8"))![1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const all = (of: number): number[] => (children.get(of) ?? []).flatMap((c) => [c, ...all(c)]);
  return all(pid);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** A way to a port that can be cut as a cable is: from then on nothing gets through, and neither end hears of it. */
export async function cable(port: number): Promise<{ readonly port: number; cut(): void; close(): void }> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("data", (piece: Buffer) => isCut || to.write(piece));
      from.on("close", () => isCut || to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    cut: () => (isCut = true),
    close: () => {
      for (const s of sockets) s.destroy();
      server.close();
    },
  };
}
