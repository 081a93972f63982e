// What depends on the whole tree is made once, after the scriptlets: so what they put into sysusers.d, modprobe.d or
// initramfs-tools takes effect. Packages have run their own triggers before; here only what scriptlets added is brought up.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { span, type Emit } from "../events.ts";
import type { Made } from "../made.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import { resolveIn } from "./paths.ts";
import { clampMtimes } from "./tree.ts";

export interface SettleOptions {
  readonly root: string;
  readonly sandbox: Sandbox;
  readonly epoch: number;
  /** What scriptlets made so far. */
  readonly made: readonly Made[];
  readonly emit: Emit;
  readonly log: (name: string, text: string) => void;
}

interface Settler {
  readonly name: string;
  /** Commands to run; none when nothing asks for it. */
  commands(o: SettleOptions): readonly (readonly string[])[];
}

/** In this order: ids before files that belong to them, modules before the initramfs that holds them. */
const settlers: readonly Settler[] = [
  { name: "sysusers", commands: (o) => named(o, "/usr/bin/systemd-sysusers", [], /^\/(etc|usr\/lib)\/sysusers\.d\/.*\.conf$/) },
  { name: "tmpfiles", commands: (o) => named(o, "/usr/bin/systemd-tmpfiles", ["--create"], /^\/(etc|usr\/lib)\/tmpfiles\.d\/.*\.conf$/) },
  { name: "hwdb", commands: (o) => whole(o, "/usr/bin/systemd-hwdb", ["update", "--usr"], /^\/(etc|usr\/lib)\/udev\/hwdb\.d\//) },
  { name: "catalog", commands: (o) => whole(o, "/usr/bin/journalctl", ["--update-catalog"], /^\/usr\/lib\/systemd\/catalog\//) },
  { name: "fonts", commands: (o) => whole(o, "/usr/bin/fc-cache", ["--system-only", "--force"], /^\/usr\/(local\/)?share\/fonts\/|^\/etc\/fonts\//) },
  { name: "depmod", commands: (o) => (touched(o, /^\/(usr\/)?lib\/modules\/|^\/(etc|usr\/lib)\/depmod\.d\//) ? kernels(o.root).map((k) => ["/usr/sbin/depmod", k]) : []) },
  { name: "ldconfig", commands: () => [["/usr/sbin/ldconfig"]] },
  { name: "initramfs", commands: (o) => (has(o, "/usr/sbin/update-initramfs") ? kernels(o.root).map((k) => ["/usr/sbin/update-initramfs", "-c", "-k", k]) : []) },
];

export async function settle(o: SettleOptions): Promise<void> {
  for (const s of settlers) {
    const commands = s.commands(o);
    if (commands.length === 0) continue;
    // Font caches and initramfs keep the times of what they are made from.
    if (s.name === "fonts" || s.name === "initramfs") await clampMtimes(o.root, o.epoch);
    await span(o.emit, s.name, "settle", async () => {
      for (const argv of commands) {
        await inSandbox(o.sandbox, o.root, { argv, onOutput: (text) => o.log(s.name, text), what: `settling ${s.name}` });
      }
    });
  }
}

/** Versions that have modules and an image to boot. */
export function kernels(root: string): string[] {
  const dir = resolveIn(root, "/usr/lib/modules");
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((v) => existsSync(join(root, "boot", `vmlinuz-${v}`))).sort();
}

/** The program with just the files that scriptlets made. */
function named(o: SettleOptions, program: string, args: readonly string[], files: RegExp): string[][] {
  const paths = o.made.map((m) => m.path).filter((p) => files.test(p) && existsSync(resolveIn(o.root, p)));
  return paths.length > 0 && has(o, program) ? [[program, ...args, ...new Set(paths)]] : [];
}

function whole(o: SettleOptions, program: string, args: readonly string[], files: RegExp): string[][] {
  return touched(o, files) && has(o, program) ? [[program, ...args]] : [];
}

function touched(o: SettleOptions, files: RegExp): boolean {
  return o.made.some((m) => files.test(m.path));
}

function has(o: SettleOptions, program: string): boolean {
  return existsSync(resolveIn(o.root, program));
}
