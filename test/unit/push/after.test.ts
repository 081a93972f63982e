// What has to happen on a device after paths of it changed.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Made } from "../../../lib/made.ts";
import { afterOf, holdersOf, unitsOfProcesses, type After } from "../../../lib/push/after.ts";
import { deltaOf } from "../../../lib/push/delta.ts";
import type { Item } from "../../../lib/push/inventory.ts";
import { unitsOf } from "../../../lib/push/units.ts";

const base: Item = { type: "f", mode: 0o644, uid: 0, gid: 0, size: 5, mtime: 1, content: "a", attributes: "", links: "", sparse: false };
const link = (to: string): Item => ({ ...base, type: "l", mode: 0, content: to });
const made = (path: string, scriptlet: string, step: string, restart?: string[]): Made => ({ path, step, where: { file: `base/${scriptlet}.ts`, scriptlet }, ...(restart && { restart }) });

/** An image of these unit files and other paths, and what a change of some of them comes to; only what is not empty. */
function after(o: { units?: Record<string, string>; more?: string[]; links?: Record<string, string>; made?: Made[]; changed?: string[]; added?: string[]; gone?: Record<string, string>; programs?: string[] }): Partial<After> {
  const dir = mkdtempSync(join(tmpdir(), "units-"));
  try {
    const want = new Map<string, Item>();
    for (const [path, text] of Object.entries(o.units ?? {})) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
      want.set(path, base);
    }
    for (const path of [...(o.more ?? []), ...(o.changed ?? []), ...(o.added ?? [])]) want.set(path, base);
    for (const path of o.programs ?? []) want.set(path, { ...base, mode: 0o755 });
    for (const [path, to] of Object.entries(o.links ?? {})) want.set(path, link(to));
    const had = new Map(want);
    for (const path of o.changed ?? []) had.set(path, { ...had.get(path)!, content: "before" });
    for (const path of o.added ?? []) had.delete(path);
    for (const [path, to] of Object.entries(o.gone ?? {})) had.set(path, to === "" ? base : link(to));
    const found = afterOf({ delta: deltaOf([had], want), had, want, made: o.made ?? [], units: unitsOf(dir, want), kernel: "6.12.1" });
    return Object.fromEntries(Object.entries(found).filter(([, v]) => v !== false && (v as string[]).length !== 0));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const wants = (unit: string) => `/etc/systemd/system/multi-user.target.wants/${unit}`;

test("the units that are named with a file, and no others", () => {
  expect(after({ changed: ["/etc/app.conf"], made: [made("/etc/app.conf", "app", "copy", ["app.service"]), made(wants("other.service"), "app", "enable", ["other.service"])] })).toEqual({ restart: ["app.service"] });
});

test("else those that its scriptlet enables", () => {
  expect(after({ changed: ["/etc/app.conf"], made: [made("/etc/app.conf", "app", "copy"), made(wants("app.service"), "app", "enable", ["app.service"]), made(wants("ssh.service"), "ssh", "enable", ["ssh.service"])] })).toEqual({ restart: ["app.service"] });
});

test("else those whose unit file it is, or that run it or are given it: started if they are meant to run, else only if they do", () => {
  const units = {
    "/usr/lib/systemd/system/a.service": "[Service]\nExecStart=-/bin/a --conf=/etc/a.conf\nEnvironmentFile=-/etc/default/a\n",
    "/usr/lib/systemd/system/b@.service": "[Service]\nExecStart=/usr/bin/python3 \\\n  /usr/local/bin/b.py %i\n",
    "/usr/lib/systemd/system/once.service": "[Service]\nType=oneshot\nExecStart=/usr/bin/once\n",
  };
  const links = { [wants("a.service")]: "/usr/lib/systemd/system/a.service" };
  expect(after({ units, links, changed: ["/etc/default/a"] })).toEqual({ restart: ["a.service"] });
  expect(after({ units, links, changed: ["/etc/a.conf"] })).toEqual({ restart: ["a.service"] });
  expect(after({ units, changed: ["/etc/a.conf"] })).toEqual({ tryRestart: ["a.service"] });
  expect(after({ units, links, programs: ["/usr/bin/a"], changed: ["/usr/bin/a"] })).toEqual({ restart: ["a.service"], opened: ["/usr/bin/a"] });
  expect(after({ units, changed: ["/usr/local/bin/b.py"] })).toEqual({ tryRestart: ["b@*.service"] });
  // What a device does once when it starts, it does the next time it starts.
  expect(after({ units, changed: ["/usr/bin/once"] })).toEqual({});
  expect(after({ units, links, changed: ["/usr/lib/systemd/system/a.service"] })).toEqual({ restart: ["a.service"], daemonReload: true });
  expect(after({ units, changed: ["/etc/systemd/system/a.service.d/x.conf"] })).toEqual({ tryRestart: ["a.service"], daemonReload: true });
});

test("a unit that is enabled is started, one that is masked, disabled or gone is stopped", () => {
  expect(after({ links: { [wants("n.service")]: "/usr/lib/systemd/system/n.service" }, added: [wants("n.service")] })).toEqual({ restart: ["n.service"], daemonReload: true });
  expect(after({ gone: { [wants("n.service")]: "x" } })).toEqual({ stop: ["n.service"], daemonReload: true });
  expect(after({ gone: { "/usr/lib/systemd/system/n@.service": "" } })).toEqual({ stop: ["n@*.service"], daemonReload: true });
  expect(after({ links: { "/etc/systemd/system/n.service": "/dev/null" }, changed: ["/etc/systemd/system/n.service"], units: { "/usr/lib/systemd/system/n.service": "" } })).toMatchObject({ stop: ["n.service"] });
});

test("caches and settings, only where their inputs changed", () => {
  expect(after({ changed: ["/etc/motd", "/usr/share/doc/x"] })).toEqual({});
  expect(after({ changed: ["/usr/lib/x86_64-linux-gnu/libfoo.so.1.2"] })).toEqual({ ldconfig: true, opened: ["/usr/lib/x86_64-linux-gnu/libfoo.so.1.2"] });
  // What was not there before nobody has open.
  expect(after({ added: ["/usr/lib/x86_64-linux-gnu/libfoo.so.1.2"] })).toEqual({ ldconfig: true });
  expect(after({ changed: ["/usr/lib/tmpfiles.d/a.conf", "/usr/lib/sysusers.d/a.conf", "/etc/udev/rules.d/9.rules", "/etc/sysctl.d/1.conf"], gone: { "/etc/tmpfiles.d/b.conf": "" } })).toEqual({
    tmpfiles: ["/usr/lib/tmpfiles.d/a.conf"], sysusers: true, udev: true, tryRestart: ["systemd-sysctl.service"],
  });
});

test("what only a restart of the device brings into effect is said, and libc restarts nothing", () => {
  expect(after({ changed: ["/boot/vmlinuz-6.12.1", "/usr/lib/modules/6.12.1/kernel/x.ko", "/usr/lib/systemd/systemd", "/usr/lib/x86_64-linux-gnu/libc.so.6"], more: ["/usr/local/sbin/boot-entries"] })).toEqual({
    bootEntries: true, reboot: ["the kernel", "systemd", "libc"], ldconfig: true,
  });
  expect(after({ changed: ["/usr/lib/modules/6.12.0/kernel/x.ko"] })).toEqual({});
});

test("sessions are never ended", () => {
  expect(after({ units: { "/usr/lib/systemd/system/dbus.service": "", "/usr/lib/systemd/system/getty@.service": "" }, changed: ["/usr/lib/systemd/system/dbus.service", "/usr/lib/systemd/system/getty@.service"] })).toEqual({ daemonReload: true });
});

test("whoever has a file open, by its path alone", () => {
  const lines = [
    "/proc/12/maps:7f00-7f01 r-xp 00000000 08:01 123   /usr/lib/libfoo.so.1",
    "/proc/12/maps:7f02-7f03 r--p 00000000 08:01 123   /usr/lib/libfoo.so.1 (deleted)",
    "/proc/13/maps:7f00-7f01 r-xp 00000000 08:01 124   /usr/lib/libfoo.so.1.5",
    "/proc/1/maps:7f00-7f01 r-xp 00000000 08:01 124   /usr/lib/libfoo.so.1 (deleted)",
  ];
  expect(holdersOf(lines, ["/usr/lib/libfoo.so.1"])).toEqual([12, 1]);
  expect(unitsOfProcesses(["12 0::/system.slice/ssh.service", "14 0::/system.slice/system-x.slice/x@1.service/sub", "15 0::/user.slice/user-0.slice/session-3.scope", "16 0::/system.slice/dbus.service", "1 0::/init.scope"])).toEqual({ units: ["ssh.service", "x@1.service"], init: true });
});
