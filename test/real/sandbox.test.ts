// The sandbox as programs of an image find it.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, chmodSync, existsSync, lstatSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserError } from "../../lib/errors.ts";
import { applyLedger } from "../../lib/rootfs/ledger.ts";
import { inSandbox, inTools, type SandboxOptions } from "../../lib/sandbox.ts";
import { command, isRoot, skipUnless } from "./debcast.ts";
import { mountOverlay, openBench, unmount } from "../../lib/layers/overlay.ts";
import { openShell } from "../../lib/run/shell.ts";
import { smallImage, type Small } from "./small.ts";

const runs = skipUnless(isRoot, "needs root: as a normal user it is the builds that prove the sandbox");
let small: Small;

beforeAll(async () => {
  if (!runs.skip) small = await smallImage();
});
afterAll(() => small?.[Symbol.dispose]());

const sh = (script: string, o: Partial<SandboxOptions> = {}) => inSandbox(small.sandbox, small.root, { argv: ["sh", "-euc", script], ...o });
const says = async (script: string, o: Partial<SandboxOptions> = {}) => (await sh(script, o)).stdout.trim();

test("what runs there knows that it is in a chroot", runs, async () => {
  expect(await says("ischroot && echo chroot")).toBe("chroot");
});

test("few capabilities, and none to be had back", runs, async () => {
  expect(await says("grep -E '^(Cap|NoNewPrivs)' /proc/self/status")).toMatchInlineSnapshot(`
    "CapInh:	0000000000000000
    CapPrm:	00000000a00425fb
    CapEff:	00000000a00425fb
    CapBnd:	00000000a00425fb
    CapAmb:	0000000000000000
    NoNewPrivs:	0"
  `);
});

test("the machine that it sees", runs, async () => {
  expect(await says("cat /proc/sys/kernel/hostname; wc -c </proc/swaps; ls -A /sys; ls -A /dev; cat /proc/net/dev | tail -n +3 | cut -d: -f1; ls /proc | grep -c '^[0-9]'")).toMatchInlineSnapshot(`
    "debcast
    0
    .eatmydata.so
    .empty
    .mounts
    fd
    full
    null
    ptmx
    pts
    random
    shm
    stderr
    stdin
    stdout
    tty
    urandom
    zero
        lo
    4"
  `);
});

test("the environment is what was given, and the few that every program needs", runs, async () => {
  const env = { QUOTED: `a 'b' "c" $d \\ \`e\``, LINES2: "one\ntwo", EMPTY: "", PATH: "/usr/bin:/bin" };
  const found = (await inSandbox(small.sandbox, small.root, { argv: ["/usr/bin/env", "-0"], env })).stdout.split("\0").filter(Boolean).sort();
  expect(found.map((l) => l.replace(/^(SOURCE_DATE_EPOCH=)\d+$/, "$1EPOCH"))).toMatchInlineSnapshot(`
    [
      "EMPTY=",
      "HOME=/root",
      "LC_ALL=C.UTF-8",
      "LD_PRELOAD=/dev/.eatmydata.so",
      "LINES2=one
    two",
      "PATH=/usr/bin:/bin",
      "QUOTED=a 'b' "c" $d \\ \`e\`",
      "SOURCE_DATE_EPOCH=EPOCH",
    ]
  `);
});

test("a user of the image, with its groups and home, in a directory", runs, async () => {
  expect(await says("id; pwd; echo $HOME", { user: "www-data", cwd: "/var/tmp" })).toMatchInlineSnapshot(`
    "uid=33(www-data) gid=33(www-data) groups=33(www-data)
    /var/tmp
    /var/www"
  `);
  await expect(sh("true", { user: "www-dat" })).rejects.toMatchObject({ message: "the image has no user `www-dat`", hint: "did you mean `www-data`?" });
});

test("a directory behind a link is the image's, not the host's", runs, async () => {
  symlinkSync("/etc", join(small.root, "var/tmp/link"));
  writeFileSync(join(small.root, "etc/here"), "in the image");
  expect(await says("pwd -P; cat here", { cwd: "/var/tmp/link" })).toBe("/etc\nin the image");
  rmSync(join(small.root, "var/tmp/link"));
});

test("input and output, and /dev/stdout and /dev/stderr as scripts open them", runs, async () => {
  expect(await sh("cat; echo out >/dev/stdout; echo err >/dev/stderr; echo fd >/dev/fd/2", { stdin: "in\n" })).toMatchObject({ code: 0, stdout: "in\nout\n", stderr: "err\nfd\n" });
  const big = await sh("head -c 3000000 /dev/zero | tr '\\0' x");
  expect(big.stdout.length).toBe(3_000_000);
});

test("setuid works, so does what a script of a package may do", runs, async () => {
  expect(await says(`
    touch /tmp/f && chown www-data:adm /tmp/f && chmod 4755 /tmp/f && stat -c '%U %G %a' /tmp/f && rm /tmp/f
    cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id
    setpriv --reuid=33 --clear-groups /tmp/id -un; rm /tmp/id
    echo x >/dev/shm/x && cat /dev/shm/x; mkdir /dev/made
    ls -d /dev/shm/* /dev/made`)).toMatchInlineSnapshot(`
      "www-data adm 4755
      root
      x
      /dev/made
      /dev/shm/x"
    `);
});

test("nothing of the preloaded library is on the image's disk, and sync takes no time at all", runs, async () => {
  expect(await says("echo $LD_PRELOAD; grep -c eatmydata /proc/self/maps | sed 's/[1-9].*/mapped/'")).toBe("/dev/.eatmydata.so\nmapped");
  expect(await says("echo ${LD_PRELOAD-unset}", { eatmydata: false })).toBe("unset");
  expect(existsSync(join(small.root, "dev/.eatmydata.so"))).toBe(false);
});

test("where nothing is ever synced no library is needed for that", runs, async () => {
  const shell = openShell();
  const bench = openBench(small.dir, "bench");
  const at = await mountOverlay({ dir: small.dir, lower: ["image/small"], bench, shell });
  try {
    const { stdout } = await inSandbox(small.sandbox, at, { argv: ["sh", "-c", "echo ${LD_PRELOAD-unset}; echo more >/file; sync -f /file"] });
    expect(stdout).toBe("unset\n");
  } finally {
    await unmount(shell, at);
    shell.close();
  }
});

test("with the network: this machine's resolver, and the image's own file untouched", runs, async () => {
  const mine = readFileSync("/etc/resolv.conf", "utf8");
  const file = join(small.root, "etc/resolv.conf");
  const there = lstatSync(file, { throwIfNoEntry: false });
  expect((await sh("cat /etc/resolv.conf", { network: true })).stdout).toBe(mine);
  expect(lstatSync(file, { throwIfNoEntry: false })).toEqual(there);
  rmSync(file, { force: true });
  symlinkSync("../run/systemd/resolve/stub-resolv.conf", file);
  expect((await sh("cat /etc/resolv.conf", { network: true })).stdout).toBe(mine);
  expect(existsSync(join(small.root, "run/systemd"))).toBe(false);
  rmSync(file);
});

test("what runs on is ended with what started it", runs, async () => {
  await sh("(setsid sleep 98765.1234 </dev/null >/dev/null 2>&1 &) ; setsid sleep 98765.1234 & exit 0");
  expect(spawnSync("pgrep", ["-f", "sleep 98765[.]1234"]).stdout.toString()).toBe("");
});

test("a failure says what ran, how it ended and its last lines; a sandbox that failed is told apart", runs, async () => {
  const failure = async (work: Promise<unknown>) => {
    const e = await work.then(() => undefined, (error: unknown) => error as UserError);
    return [`${e?.code}: ${e?.message}`, e?.details, e?.hint && `hint: ${e.hint}`].filter(Boolean).join("\n");
  };
  expect(await failure(sh("echo one; echo two >&2; exit 3", { what: "trying" }))).toMatchInlineSnapshot(`
    "sandbox.failed: trying: \`sh -euc 'echo one; echo two >&2; exit 3'\` ended with status 3
    one
    two"
  `);
  expect(await failure(sh("kill -9 $$"))).toMatchInlineSnapshot(`
    "sandbox.failed: \`sh -euc 'kill -9 $$'\` ended with status 137 (SIGKILL)
    Killed"
  `);
  expect(await failure(inSandbox(small.sandbox, small.root, { argv: ["/no/such"] }))).toMatchInlineSnapshot(`
    "sandbox.failed: \`/no/such\` ended with status 127
    chroot: failed to run command '/no/such': No such file or directory"
  `);
  const broken = await failure(inSandbox({ ...small.sandbox, tools: join(small.dir, "no-tools/usr/..") }, small.root, { argv: ["true"], eatmydata: false }));
  expect(broken.replaceAll(small.dir, "DIR")).toMatchInlineSnapshot(`
    "sandbox.set-up: the sandbox for programs of the image could not be set up
    sandbox: 6: cd: can't cd to DIR/no-tools
    hint: in a container, it needs CAP_SYS_ADMIN and a /proc that is not masked (\`--privileged\`, or \`--security-opt unmask=ALL\`)"
  `);
});

test("open files of ours do not get in, however many there are", runs, () => {
  const script = `exec 3</etc/passwd 9</etc/passwd 12</etc/passwd; exec "$@"`;
  const r = spawnSync("bash", ["-c", script, "bash", process.execPath, command, "shell", "-c", "small", "-C", small.dir, "--", "ls", "-1", "/proc/self/fd"], { encoding: "utf8" });
  // 3 is the directory that ls itself reads.
  expect(r.stdout.trim().split("\n")).toEqual(["0", "1", "2", "3"]);
});

test("programs of the tools tree see the directories given, read-only where so given", runs, async () => {
  const binds = [{ from: join(small.root, "etc"), to: "/in", ro: true }, { from: small.dir, to: "/out" }] as const;
  const r = await inTools(small.sandbox, { argv: ["sh", "-c", "head -c 4 /in/passwd; echo; touch /in/x; touch /out/made /tmp/x; touch /x; ls /image"], binds });
  expect(r.stdout).toBe("root\n");
  expect(r.stderr.trim().split("\n").map((l) => l.replace(/.*: /, ""))).toEqual(["Read-only file system", "Read-only file system"]);
  expect(existsSync(join(small.dir, "made"))).toBe(true);
});

test("a tools tree that another process may be running in stays until that one has ended", runs, async () => {
  const dir = join(small.dir, "tools");
  const trees = () => readdirSync(dir).filter((name) => lstatSync(join(dir, name)).isDirectory());
  const { tools } = await small.freshTools(dir);
  const other = spawn("sleep", ["100"]);
  try {
    writeFileSync(join(dir, `builder.${other.pid}`), "");
    const running = inTools({ tools, epoch: 0 }, { argv: ["sh", "-c", "sleep 1; sed --version | head -n 1; cat /dev/null && echo whole"], binds: [] });
    await setTimeout(500);
    await small.freshTools(dir);
    expect((await running).stdout).toMatch(/^sed .*\nwhole\n$/);
    expect(trees()).toHaveLength(2);
  } finally {
    other.kill("SIGKILL");
    await once(other, "exit");
  }
  await small.freshTools(dir);
  expect(trees()).toHaveLength(1);
});

test("ids of the ledger: files follow, with setuid and capabilities", runs, async () => {
  const file = join(small.root, "usr/local/bin/tool");
  writeFileSync(file, "#!/bin/sh\n");
  await says("addgroup --system --gid 850 moved 2>/dev/null || groupadd -r -g 850 moved; useradd -r -u 850 -g 850 moved");
  chownSync(file, 850, 850);
  chmodSync(file, 0o6755);
  await inTools(small.sandbox, { argv: ["setcap", "cap_net_raw=ep", "/image/usr/local/bin/tool"], binds: [{ from: small.root, to: "/image" }] });
  const users = new Map([["moved", 700]]);
  const { ledger: after } = await applyLedger(small.root, { users, groups: new Map([["moved", 701]]) }, small.sandbox);
  expect([after.users.get("moved"), after.groups.get("moved")]).toEqual([700, 701]);
  expect(await says("stat -c '%u %g %a' /usr/local/bin/tool; id moved")).toMatchInlineSnapshot(`
    "700 701 6755
    uid=700(moved) gid=701(moved) groups=701(moved)"
  `);
  const caps = await inTools(small.sandbox, { argv: ["getcap", "/image/usr/local/bin/tool"], binds: [{ from: small.root, to: "/image", ro: true }] });
  expect(caps.stdout.trim()).toBe("/image/usr/local/bin/tool cap_net_raw=ep");
});
