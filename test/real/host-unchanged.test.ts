// A hostile maintainer script, run as root: it gets nothing, and this machine is afterwards as it was before.
import { existsSync, lstatSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { inSandbox } from "../../lib/sandbox.ts";
import { isRoot, skipUnless } from "./debcast.ts";
import { smallImage, type Small } from "./small.ts";

const runs = skipUnless(isRoot, "only root's builds could harm the machine");
const outside = mkdtempSync(join(tmpdir(), "debcast-outside-"));
const server = createServer((s) => s.end());
let small: Small;

beforeAll(async () => {
  if (runs.skip) return;
  writeFileSync(join(outside, "secret"), "of the host\n");
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  small = await smallImage();
});
afterAll(() => {
  server.close();
  small?.[Symbol.dispose]();
  rmSync(outside, { recursive: true });
});

/** Settings that change by themselves. */
const restless = /^\/proc\/sys\/(fs\/(dentry-state|file-nr|inode-nr|inode-state|quota\/|aio-nr|epoll)|kernel\/(random\/|ns_last_pid|pty\/nr|perf_event|sched_domain)|net\/.*(nf_conntrack_count|dev_mac)|vm\/stat)/;

function settings(dir = "/proc/sys"): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    if (e.isDirectory()) return settings(path);
    if (restless.test(path)) return [];
    try {
      return [`${path} ${readFileSync(path, "utf8")}`];
    } catch {
      return [];
    }
  });
}

/** Every path below, with all that changes when somebody touches it. */
function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    const s = lstatSync(path, { throwIfNoEntry: false });
    const line = s ? [`${path} ${s.ino} ${s.mode} ${s.uid} ${s.gid} ${s.size} ${s.mtimeMs} ${s.ctimeMs}`] : [];
    return e.isDirectory() ? [...line, ...files(path)] : line;
  });
}

function daemons(): string[] {
  return readdirSync("/proc").filter((p) => /^\d+$/.test(p)).flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return command.includes("98765.4321") ? [command] : [];
    } catch {
      return [];
    }
  });
}

function host() {
  const nodes = ["null", "zero", "full", "random", "urandom", "tty"].map((n) => lstatSync(`/dev/${n}`)).map((s) => [s.mode, s.uid, s.gid, s.rdev]);
  return {
    settings: settings(),
    mounts: readFileSync("/proc/self/mountinfo", "utf8"),
    modules: existsSync("/proc/modules") && readFileSync("/proc/modules", "utf8").split("\n").map((l) => l.split(" ")[0]),
    swaps: readFileSync("/proc/swaps", "utf8"),
    names: [hostname(), readFileSync("/proc/sys/kernel/domainname", "utf8")],
    namespaces: readdirSync("/proc/self/ns").map((n) => readlinkSync(`/proc/self/ns/${n}`)),
    files: ["/etc", "/usr/sbin", "/boot", outside].flatMap(files),
    tools: files(small.sandbox.tools),
    nodes,
    daemons: daemons(),
  };
}

test("a hostile script gets nothing, and the host is unchanged", runs, async () => {
  const before = host();
  const clock = Date.now() - performance.now();
  const r = await inSandbox(small.sandbox, small.root, {
    argv: ["sh", "-c", readFileSync(join(engineRoot, "test/real/hostile.sh"), "utf8"), "sh", String(process.pid), String((server.address() as AddressInfo).port), join(outside, "secret")],
  });
  expect(r.stdout).toMatchInlineSnapshot(`
    "sysctl vm.swappiness: refused
    sysctl core_pattern: refused
    sysctl panic: refused
    sysrq: refused
    make /proc writable: refused
    make /proc/sys writable: refused
    another /proc: refused
    mount tmpfs: refused
    mount the host's devices: refused
    bind mount: refused
    unmount /proc/swaps: refused
    unmount /dev: refused
    block device: refused
    memory device: refused
    read kernel memory: refused
    change /dev/null's mode: refused
    change /dev/null's owner: refused
    write the preloaded library: refused
    EFI variables: refused
    anything in /sys: refused
    host name: refused
    domain name: refused
    set the clock: refused
    reboot: refused
    load a module: refused
    swap on: refused
    ports: refused
    kernel log: refused
    user namespace: refused
    mount namespace: refused
    enter the namespaces of PID 1: refused
    open by handle: refused
    signal a process of the host: refused
    see a process of the host: refused
    reach the host's network: refused
    reach any network: refused
    real-time priority: refused
    a file of the host: refused
    a file of the host through PID 1: refused
    write where PID 1 is: refused
    out of the chroot, a file of the host: refused
    out of the chroot, write there: refused
    its own file: done
    "
  `);
  const after = host();
  for (const what of Object.keys(before) as (keyof typeof before)[]) expect(after[what], what).toEqual(before[what]);
  // The machine's own clock discipline moves it by less.
  expect(Math.abs(Date.now() - performance.now() - clock)).toBeLessThan(60_000);
});

test("who kills everybody kills the sandbox alone", runs, async () => {
  const r = await inSandbox(small.sandbox, small.root, { argv: ["perl", "-e", "kill 9, -1; sleep 1; kill 9, 1; kill 15, 1; exit 3"], ok: [3] });
  expect(r.code).toBe(3);
});

test("a link where the sandbox mounts is refused, and nothing is mounted through it", runs, async () => {
  const before = readFileSync("/proc/self/mountinfo", "utf8");
  renameSync(join(small.root, "sys"), join(small.root, "sys.away"));
  symlinkSync(outside, join(small.root, "sys"));
  try {
    await expect(inSandbox(small.sandbox, small.root, { argv: ["true"] })).rejects.toThrow("`/sys` in the image is no directory");
  } finally {
    rmSync(join(small.root, "sys"));
    renameSync(join(small.root, "sys.away"), join(small.root, "sys"));
  }
  expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
});
