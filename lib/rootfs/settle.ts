// What depends on the whole tree is made once, after the scriptlets: so what they put into sysusers.d, modprobe.d or
// initramfs-tools takes effect. Packages have run their own triggers before; here only what scriptlets changed is brought up.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { span, type Emit } from "../events.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { resolveIn } from "./paths.ts";
import { clampMtimes } from "./tree.ts";

export interface SettleOptions {
  readonly root: string;
  readonly sandbox: Sandbox;
  readonly epoch: number;
  /** Paths that scriptlets changed. */
  readonly changed: ReadonlySet<string>;
  /** Programs that are run later anyway, because packages asked for it. */
  readonly later: ReadonlySet<string>;
  /** Whether commands of scriptlets may have changed others as well. */
  readonly more: boolean;
  readonly emit: Emit;
  readonly log: (name: string, text: string) => void;
}

interface Settler {
  readonly name: string;
  /** Commands to run; none when nothing asks for it. */
  commands(o: SettleOptions): readonly (readonly string[])[];
}

/** In this order: ids before files that belong to them. The initramfs is made when all of this is in place. */
const settlers: readonly Settler[] = [
  { name: "sysusers", commands: (o) => named(o, "/usr/bin/systemd-sysusers", [], /^\/(etc|usr\/lib)\/sysusers\.d\/.*\.conf$/) },
  { name: "tmpfiles", commands: (o) => named(o, "/usr/bin/systemd-tmpfiles", ["--create"], /^\/(etc|usr\/lib)\/tmpfiles\.d\/.*\.conf$/) },
  { name: "hwdb", commands: (o) => whole(o, "/usr/bin/systemd-hwdb", ["update", "--usr"], /^\/(etc|usr\/lib)\/udev\/hwdb\.d\//) },
  { name: "catalog", commands: (o) => whole(o, "/usr/bin/journalctl", ["--update-catalog"], /^\/usr\/lib\/systemd\/catalog\//) },
  { name: "fonts", commands: (o) => whole(o, "/usr/bin/fc-cache", ["--system-only", "--force"], /^\/usr\/(local\/)?share\/fonts\/|^\/etc\/fonts\//) },
  { name: "depmod", commands: (o) => (touched(o, /^\/(usr\/)?lib\/modules\/|^\/(etc|usr\/lib)\/depmod\.d\//) ? kernels(o.root).map((k) => ["/usr/sbin/depmod", k]) : []) },
  { name: "ldconfig", commands: (o) => (touched(o, /^(\/usr)?\/lib|^\/usr\/local\/lib|^\/opt\/|\.so\b|^\/etc\/ld\.so\.conf/) || o.more ? [["/usr/sbin/ldconfig"]] : []) },
];

export async function settle(o: SettleOptions): Promise<void> {
  for (const s of settlers) {
    const commands = s.commands(o).filter((argv) => !o.later.has(argv[0]!.slice(argv[0]!.lastIndexOf("/") + 1)));
    if (commands.length === 0) continue;
    // Font caches keep the times of what they are made from.
    if (s.name === "fonts") await clampMtimes(o.root, o.epoch);
    await span(o.emit, s.name, "settle", async () => {
      for (const argv of commands) {
        await inSandbox(o.sandbox, o.root, { argv, onOutput: (text) => o.log(s.name, text), what: `settling ${s.name}` });
      }
    });
  }
}

/** Kernels to make an initramfs for: none where nothing makes one. */
export function initramfsKernels(root: string): string[] {
  return existsSync(resolveIn(root, "/usr/sbin/update-initramfs")) ? kernels(root) : [];
}

/** Versions that have modules and an image to boot. */
export function kernels(root: string): string[] {
  const dir = resolveIn(root, "/usr/lib/modules");
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((v) => existsSync(join(root, "boot", `vmlinuz-${v}`))).sort();
}

/** The program with just the files that scriptlets made. */
function named(o: SettleOptions, program: string, args: readonly string[], files: RegExp): string[][] {
  const paths = [...o.changed].filter((p) => files.test(p) && existsSync(resolveIn(o.root, p))).sort();
  return paths.length > 0 && has(o, program) ? [[program, ...args, ...paths]] : [];
}

function whole(o: SettleOptions, program: string, args: readonly string[], files: RegExp): string[][] {
  return touched(o, files) && has(o, program) ? [[program, ...args]] : [];
}

function touched(o: SettleOptions, files: RegExp): boolean {
  return [...o.changed].some((p) => files.test(p));
}

function has(o: SettleOptions, program: string): boolean {
  return existsSync(resolveIn(o.root, program));
}
