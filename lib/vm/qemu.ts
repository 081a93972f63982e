// The machine that QEMU is asked for: a PC with UEFI, virtio disk and network, USB, a serial console, and a port to an agent inside.
import { copyFileSync, existsSync, accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Emit } from "../events.ts";
import { collect } from "../run.ts";
import { agentCredentials, portName } from "./agent.ts";

export interface MachineOptions {
  readonly disk: string;
  /** Whether what the machine writes to that stays in the file. */
  readonly keep: boolean;
  /** MiB. */
  readonly memory: number;
  readonly cpus: number;
  /** Port of loopback that leads to the machine's `guestPort`. */
  readonly sshPort: number;
  /** Where its sshd listens. Default: 22. */
  readonly guestPort?: number;
  /** Further disks; what is written to them stays. */
  readonly disks: readonly string[];
  /** Host devices `VENDOR:PRODUCT` in hex. */
  readonly usb: readonly string[];
  readonly display: boolean;
  /** Whether the serial console is on this terminal; else it goes to a file, and a socket takes what is typed. */
  readonly terminal: boolean;
  /** Whether the first disk is a USB stick. */
  readonly stick?: boolean;
  /** Further words for QEMU. */
  readonly more?: readonly string[];
  readonly accel: Accel;
  /** File that takes all that the machine says on its serial port. Default: one in `dir`. */
  readonly log?: string;
  /** Directory for sockets and what the firmware keeps. */
  readonly dir: string;
}

export type Accel = "kvm" | "tcg";

export const program = "qemu-system-x86_64";

/** Debian's ovmf has had both names. */
const firmware = ["_4M", ""].map((size) => ({ code: `/usr/share/OVMF/OVMF_CODE${size}.fd`, vars: `/usr/share/OVMF/OVMF_VARS${size}.fd` }));

export const files = { console: "serial.log", serial: "serial.sock", control: "qmp.sock", agent: "agent.sock", vars: "vars.fd" } as const;

/** Makes the files that it names, and returns the command. */
export function machine(o: MachineOptions): string[] {
  const at = (name: string) => join(o.dir, name);
  const log = consoleLog(o).replaceAll(",", ",,");
  const found = firmware.find((f) => existsSync(f.code) && existsSync(f.vars));
  if (!found) throw new UserError("vm.firmware", "this machine lacks UEFI firmware for virtual machines", { hint: "sudo apt-get install ovmf" });
  if (!existsSync(at(files.vars))) copyFileSync(found.vars, at(files.vars));
  const credentials = agentCredentials().map(({ name, text }, i) => {
    writeFileSync(at(`credential.${i}`), `io.systemd.credential.binary:${name}=${Buffer.from(text).toString("base64")}`);
    return ["-smbios", `type=11,path=${at(`credential.${i}`)}`];
  });
  return [
    program, "-name", "debcast", "-no-user-config", "-nodefaults",
    "-machine", "q35", "-accel", o.accel, "-cpu", o.accel === "kvm" ? "host" : "max", "-smp", String(o.cpus), "-m", String(o.memory),
    "-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${found.code}`, "-drive", `if=pflash,unit=1,format=raw,file=${at(files.vars)}`,
    "-device", "qemu-xhci,id=usb",
    ...drives(o),
    "-netdev", `user,id=net0,hostfwd=tcp:127.0.0.1:${o.sshPort}-:${o.guestPort ?? 22}`, "-device", "virtio-net-pci,netdev=net0,romfile=",
    "-device", "virtio-rng-pci",
    ...o.usb.flatMap((id) => ["-device", `usb-host,vendorid=0x${id.split(":")[0]},productid=0x${id.split(":")[1]}`]),
    "-device", "virtio-serial-pci", "-chardev", `socket,id=agent,path=${at(files.agent)},server=on,wait=off`, "-device", `virtserialport,chardev=agent,name=${portName}`,
    ...credentials.flat(),
    "-qmp", `unix:${at(files.control)},server=on,wait=off`,
    ...(o.display ? ["-device", "virtio-vga", "-display", "gtk", "-device", "usb-kbd", "-device", "usb-tablet"] : ["-display", "none"]),
    ...(o.terminal ? ["-chardev", `stdio,id=console,mux=on,signal=off,logfile=${log}`, "-mon", "chardev=console"] : ["-chardev", `socket,id=console,path=${at(files.serial)},server=on,wait=off,logfile=${log}`]),
    "-serial", "chardev:console",
    ...(o.more ?? []),
  ];
}

export function consoleLog({ log, dir }: Pick<MachineOptions, "log" | "dir">): string {
  return log ?? join(dir, files.console);
}

export function drives(o: Pick<MachineOptions, "disk" | "keep" | "disks" | "stick">): string[] {
  return [o.disk, ...o.disks].flatMap((file, i) => [
    "-drive", `if=none,id=disk${i},format=${file.endsWith(".qcow2") ? "qcow2" : "raw"},file=${file.replaceAll(",", ",,")},${i > 0 || o.keep ? "cache=writeback" : "snapshot=on,cache=unsafe"},discard=unmap`,
    "-device", o.stick && i === 0 ? "usb-storage,drive=disk0,bus=usb.0,bootindex=0,removable=on" : `virtio-blk-pci,drive=disk${i},bootindex=${i},serial=disk${i}`,
  ]);
}

/** Whether KVM works: that the device is there says little, in a container or a virtual machine it may fail when it is first used. */
export async function accelerator(emit: Emit): Promise<Accel> {
  const why = await whyNoKvm();
  if (why === undefined) return "kvm";
  emit({ type: "note", text: `no KVM: ${why}. The machine is emulated, which takes some ten times as long.` });
  return "tcg";
}

async function whyNoKvm(): Promise<string | undefined> {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === "ENOENT" ? "there is no /dev/kvm" : "/dev/kvm may not be used; is your user in the group kvm?";
  }
  // Nothing but a first instruction, which ends the machine with a status that nothing else has.
  const dir = mkdtempSync(join(tmpdir(), "kvm-"));
  try {
    const rom = Buffer.alloc(65536);
    // mov al, 10h; mov dx, f4h; out dx, al; hlt: where a PC begins, 16 bytes before the end.
    Buffer.from([0xb0, 0x10, 0xba, 0xf4, 0x00, 0xee, 0xf4]).copy(rom, 65520);
    writeFileSync(join(dir, "rom"), rom);
    const r = await collect(["timeout", "10", program, "-no-user-config", "-nodefaults", "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "16", "-display", "none", "-bios", join(dir, "rom"), "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
    if (r.code === (0x10 << 1) + 1) return undefined;
    return `KVM fails when it is used (${r.stderr.trim().split("\n")[0]?.replace(/^\S+: (error: )?/, "") || `status ${r.code}`})`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
