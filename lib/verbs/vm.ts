import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, parse, relative } from "node:path";
import { loadConf } from "../conf.ts";
import { copyDisk } from "../disk/copy.ts";
import { UserError } from "../errors.ts";
import type { Emit } from "../events.ts";
import { imageName } from "../project.ts";
import { onTerminal, shellQuote } from "../run.ts";
import { ensureHostPrograms } from "../setup.ts";
import { diskOf } from "../vm/disk.ts";
import { freePort } from "../vm/machine.ts";
import { accelerator, machine } from "../vm/qemu.ts";
import { forget, guestPortOf, record, userOf } from "../vm/running.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "vm",
  usage: "vm [FILE]",
  summary: "start the image in QEMU, its console on this terminal",
  args: [0, 1],
  options: {
    keep: { type: "boolean", help: "a disk that lasts, out/NAME.vm.img or one beside FILE: a copy made the first time" },
    memory: { type: "string", value: "MB", help: "default: 1024" },
    display: { type: "boolean", help: "a window with the screen" },
    usb: { type: "string", multiple: true, value: "VENDOR:PRODUCT", help: "give it a USB device of this machine (hex, as lsusb says); can be repeated" },
    disk: { type: "string", multiple: true, value: "FILE", help: "a further disk, which the machine really writes to; can be repeated" },
  },
  run: async (c: Context): Promise<Outcome> => {
    const usb = (c.options.usb as string[] | undefined) ?? [];
    for (const id of usb) if (!/^[0-9a-f]{4}:[0-9a-f]{4}$/i.test(id)) throw new UserError("vm.usb", `\`--usb ${id}\` is no USB device`, { hint: "--usb 0403:6001   # lsusb lists them" });
    const memory = memoryOf(c.options.memory as string | undefined);
    const disks = (c.options.disk as string[] | undefined) ?? [];
    for (const file of disks) if (!existsSync(file)) throw new UserError("vm.absent", `there is no disk \`${file}\``, { hint: `truncate -s 8G ${shellQuote([file])}` });
    await ensureHostPrograms(c.emit, { for: "vm" });
    const name = imageName(c.conf);
    const file = c.args[0];
    const built = await diskOf({ project: c.project, conf: c.conf, file, mirrors: c.mirrors, quiet: c.json });
    const disk = c.options.keep === true ? await lasting(built, c.emit) : built;
    const accel = await accelerator(c.emit);
    const sshPort = await freePort();
    // Of another disk the conf says nothing.
    const conf = file === undefined ? await loadConf(c.project, c.conf) : undefined;
    const user = conf && userOf(conf);
    const dir = mkdtempSync(join(tmpdir(), "vm-"));
    // Also when this process is told to end, which ends the machine.
    const clear = () => {
      forget(c.project, name);
      rmSync(dir, { recursive: true, force: true });
    };
    process.once("exit", clear);
    try {
      record(c.project, name, { port: sshPort, pid: process.pid, ...(user !== undefined && { user }), ...(file !== undefined && { file }) });
      c.emit({ type: "note", text: `${user ? `debcast ssh   # or ssh -p ${sshPort} ${user}@127.0.0.1` : `ssh -p ${sshPort} USER@127.0.0.1`}\nCtrl-A X ends the machine\n` });
      const argv = machine({ disk, keep: c.options.keep === true, memory, cpus: 2, sshPort, ...(conf && { guestPort: guestPortOf(conf) }), disks, usb, display: c.options.display === true, terminal: true, accel, dir });
      const status = await onTerminal(argv);
      return { data: { status }, ...(status !== 0 && { code: 1 }) };
    } finally {
      process.off("exit", clear);
      clear();
    }
  },
};

export function memoryOf(given: string | undefined): number {
  if (given === undefined) return 1024;
  if (/^\d{2,6}$/.test(given)) return Number(given);
  throw new UserError("vm.memory", `\`--memory ${given}\` is no number of megabytes`, { hint: "--memory 2048" });
}

/** A copy of the disk that is there from one start to the next. */
export async function lasting(file: string, emit: Emit): Promise<string> {
  const to = keptOf(file);
  if (isOlder(to, file)) emit({ type: "note", text: `it starts from \`${near(to)}\`, which is kept from before and older than \`${near(file)}\`\nrm ${shellQuote([near(to)])}   # and the next start is from the new one` });
  if (!existsSync(to)) await copyDisk(file, to);
  return near(to);
}

/** Whether the copy was made of an earlier disk. What the machine writes to it makes it no newer. */
function isOlder(copy: string, disk: string): boolean {
  const s = statSync(copy, { throwIfNoEntry: false });
  return s !== undefined && (s.birthtimeMs || s.mtimeMs) < statSync(disk).mtimeMs;
}

function near(file: string): string {
  return relative(process.cwd(), file);
}

/** Named after the disk that it is a copy of, and of the same form. */
export function keptOf(file: string): string {
  const { dir, name, ext } = parse(file);
  return join(dir, `${name}.vm${ext}`);
}
