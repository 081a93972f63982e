// What a device has to do so that what was sent to it takes effect: told from the paths that changed.
import type { Made } from "../made.ts";
import type { Delta } from "./delta.ts";
import { asBytes, readable, type Item, type Items } from "./inventory.ts";
import { concernsUnits, unitOf, wantedBy, type Units } from "./units.ts";

export interface After {
  readonly ldconfig: boolean;
  readonly sysusers: boolean;
  /** Files of tmpfiles.d that came or changed. */
  readonly tmpfiles: readonly string[];
  readonly udev: boolean;
  readonly daemonReload: boolean;
  /** Whether kernels or what they are given changed, so that entries of the boot loader have to. */
  readonly bootEntries: boolean;
  /** Started again, or for the first time. */
  readonly restart: readonly string[];
  /** Started again where they run. */
  readonly tryRestart: readonly string[];
  readonly stop: readonly string[];
  /** Libraries and programs: whatever has them open is started again. */
  readonly opened: readonly string[];
  /** Why only a restart of the device will do. */
  readonly reboot: readonly string[];
}

export interface Changes {
  readonly delta: Delta;
  readonly had: Items | undefined;
  readonly want: Items;
  readonly made: readonly Made[];
  readonly units: Units;
  /** `uname -r` of the device. */
  readonly kernel: string;
}

export function afterOf(c: Changes): After {
  // Times alone change nothing that anybody runs; directories are there for what is in them.
  const changed = [...c.delta.send.filter((p) => c.want.get(p)!.type !== "d" && saysOther(c, p)), ...c.delta.gone];
  const is = (pattern: RegExp) => changed.some((p) => pattern.test(p));
  const reboot = rebootReasons(changed, c);
  const named = new Set<string>();
  const tried = new Set<string>();
  for (const path of changed) {
    const units = namedUnits(path, c);
    for (const unit of units.named) named.add(unit);
    for (const unit of units.tried) (c.units.isEnabled(unit) && !c.units.isOnce(unit) ? named : tried).add(unit);
  }
  const stop = stopped(changed, c);
  const startable = (unit: string) => !never.test(unit) && !stop.includes(unit);
  // What was not there before nobody has open.
  const programs = changed.filter((p) => (c.had === undefined || c.had.get(p)?.type === "f") && (/^\/usr\/.*\.so(\.[^/]*)?$/.test(p) || isProgram(c.want.get(p) ?? c.had?.get(p))));
  return {
    ldconfig: is(/^\/usr\/(local\/)?lib\/.*\.so(\.|$)|^\/etc\/ld\.so\.conf/),
    sysusers: is(/^\/(usr\/lib|etc)\/sysusers\.d\//),
    tmpfiles: changed.filter((p) => /^\/(usr\/lib|etc)\/tmpfiles\.d\/[^/]+\.conf$/.test(p) && c.want.has(p)),
    udev: is(/^\/(usr\/lib|etc)\/udev\/(rules\.d\/|hwdb)/),
    daemonReload: changed.some(concernsUnits),
    bootEntries: c.want.has("/usr/local/sbin/boot-entries") && is(/^\/boot\/(vmlinuz|initrd\.img)|^\/etc\/kernel\/boot-options$/),
    restart: [...named].filter((u) => startable(u) && !isTemplate(u)).sort(),
    tryRestart: [...new Set([...tried, ...[...named].filter(isTemplate).map(instances)])].filter((u) => startable(u) && !named.has(u)).sort(),
    stop,
    // Where everything has it open, only a restart of the device helps.
    opened: programs.filter((p) => !everywhere.test(p)),
    reboot,
  };
}

function saysOther(c: Changes, path: string): boolean {
  const [had, item] = [c.had?.get(path), c.want.get(path)!];
  return had === undefined || had.type !== item.type || had.content !== item.content || had.mode !== item.mode || had.uid !== item.uid || had.gid !== item.gid || had.attributes !== item.attributes;
}

function isProgram(item: Item | undefined): boolean {
  return item?.type === "f" && (item.mode & 0o111) !== 0;
}

// ── Units ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Started again they would end sessions, or more than was asked for. */
const never = /^(dbus|dbus-broker|debcast-agent|user@.*|user-runtime-dir@.*|getty@.*|serial-getty@.*|console-getty|emergency|rescue)\.(service|socket)$|^init\.scope$|\.(scope|slice|target|mount|automount|swap)$/;

/** What reads a directory of settings, where nobody says so. */
const readers: readonly (readonly [RegExp, string])[] = [
  [/^\/(etc|usr\/lib)\/sysctl\.(d\/|conf$)/, "systemd-sysctl.service"],
  [/^\/(etc|usr\/lib)\/modules-load\.d\//, "systemd-modules-load.service"],
  [/^\/etc\/systemd\/journald\.conf/, "systemd-journald.service"],
  [/^\/etc\/systemd\/timesyncd\.conf/, "systemd-timesyncd.service"],
  [/^\/etc\/systemd\/resolved\.conf/, "systemd-resolved.service"],
  [/^\/etc\/systemd\/logind\.conf/, "systemd-logind.service"],
  [/^\/etc\/systemd\/(network\/|networkd\.conf)/, "systemd-networkd.service"],
];

/**
 * The units that a changed path concerns: those that its step names; else those that its scriptlet enables; else those whose unit file it
 * is, or that name it, or that are known to read it.
 */
function namedUnits(path: string, c: Changes): { named: readonly string[]; tried: readonly string[] } {
  const steps = c.made.filter((m) => asBytes(m.path) === path);
  const given = steps.flatMap((m) => (m.restart ?? []).map((unit) => ({ unit, byName: m.step !== "unit" || c.units.isEnabled(unit) })));
  if (given.length > 0) return { named: given.flatMap((g) => (g.byName ? [g.unit] : [])), tried: given.flatMap((g) => (g.byName ? [] : [instances(g.unit)])) };
  const scriptlets = new Set(steps.map((m) => m.where.scriptlet));
  const enabled = c.made.filter((m) => m.step === "enable" && scriptlets.has(m.where.scriptlet)).flatMap((m) => m.restart ?? []);
  if (enabled.length > 0) return { named: enabled, tried: [] };
  const started = wantedBy(path);
  if (started !== undefined) return { named: c.want.has(path) ? [readable(started)] : [], tried: [] };
  const own = unitOf(path);
  const units = own === undefined ? c.units.naming(path).filter((u) => !c.units.isOnce(u)) : c.units.isOnce(own) ? [] : [readable(own)];
  return { named: [], tried: [...units.map(instances), ...readers.flatMap(([where, unit]) => (where.test(path) ? [unit] : []))] };
}

function isTemplate(unit: string): boolean {
  return unit.includes("@.");
}

/** All that run of a template. */
function instances(unit: string): string {
  return unit.replace("@.", "@*.");
}

/** Units that are no more, that may not run any more, or that nothing starts any more. */
function stopped(changed: readonly string[], c: Changes): string[] {
  const isLost = (path: string) => {
    const unit = unitOf(path);
    if (unit !== undefined && !path.endsWith(".conf")) {
      const now = c.want.get(path);
      if (now?.type === "l" && now.content === "/dev/null") return unit;
      return now === undefined && !["/etc", "/usr/lib", "/usr/local/lib"].some((d) => c.want.has(`${d}/systemd/system/${unit}`)) ? unit : undefined;
    }
    const wanted = wantedBy(path);
    return wanted !== undefined && !c.want.has(path) && !c.units.isEnabled(wanted) ? wanted : undefined;
  };
  const lost = changed.flatMap((p) => isLost(p) ?? []).map((u) => instances(readable(u)));
  return [...new Set(lost)].filter((u) => !never.test(u)).sort();
}

// ── A restart of the device ────────────────────────────────────────────────────────────────────────────────────────

/** What every process has open. */
const everywhere = /\/(libc\.so\.6|ld-linux[^/]*|ld-[\d.]+\.so|libc-[\d.]+\.so)$/;

function rebootReasons(changed: readonly string[], { kernel }: Changes): string[] {
  const reasons: readonly (readonly [string, (path: string) => boolean])[] = [
    ["the kernel", (p) => p.startsWith("/boot/vmlinuz") || p.startsWith(`/usr/lib/modules/${kernel}/`)],
    ["the initramfs", (p) => p.startsWith("/boot/initrd.img")],
    ["the kernel's command line", (p) => p === "/etc/kernel/boot-options"],
    ["systemd", (p) => /^\/usr\/lib\/systemd\/(systemd|systemd-executor)$|\/libsystemd-(core|shared)-[^/]*\.so$/.test(p)],
    ["settings of systemd itself", (p) => p.startsWith("/etc/systemd/system.conf")],
    ["libc", (p) => everywhere.test(p)],
    ["mounts", (p) => p === "/etc/fstab"],
  ];
  return reasons.filter(([, concerns]) => changed.some(concerns)).map(([what]) => what);
}

// ── What has files open ────────────────────────────────────────────────────────────────────────────────────────────

/** Processes that have one of `paths` mapped, from lines `/proc/PID/maps:…  PATH`. */
export function holdersOf(lines: readonly string[], paths: readonly string[]): number[] {
  const wanted = new Set(paths.map(readable));
  const found = new Set<number>();
  for (const line of lines) {
    const m = /^\/proc\/(\d+)\/maps:\S+ \S+ \S+ \S+ \S+ +(\/.*?)(?: \(deleted\))?$/.exec(line);
    if (m && wanted.has(m[2]!)) found.add(Number(m[1]));
  }
  return [...found];
}

/** Units of processes, from lines `PID 0::/system.slice/ssh.service`; PID 1 is systemd itself. */
export function unitsOfProcesses(lines: readonly string[]): { readonly units: readonly string[]; readonly init: boolean } {
  const units = new Set<string>();
  let init = false;
  for (const line of lines) {
    const m = /^(\d+) 0::(\/.*)$/.exec(line);
    if (!m) continue;
    if (m[1] === "1") init = true;
    const unit = /\/system\.slice\/(?:.*\/)?([^/]+\.service)(?:\/|$)/.exec(m[2]!)?.[1];
    if (unit !== undefined && !never.test(unit)) units.add(unit);
  }
  return { units: [...units].sort(), init };
}
