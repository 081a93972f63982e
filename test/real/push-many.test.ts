// Pushes to ten devices at once, one of which is dead and one full; what was changed by hand on one; and a push at every save.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debcast, debcastOk, isRoot, project, skipUnless, type Ran } from "./debcast.ts";
import { deviceImage, devicesConf, loopback, type Loopback } from "./loopback.ts";
import { startWatch } from "./pushing.ts";

const missing = ["ssh", "rsync", "setfattr"].filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
const runs = skipUnless(isRoot && missing.length === 0, `devices on loopback: needs root${missing.length > 0 ? `, and ${missing.join(", ")}` : ""}`);

const p = project({
  "conf/base.ts": deviceImage(["app"]),
  "base/app.ts": 'import { run } from "debcast";\nrun(({ copy }) => { copy("app.conf", "/etc/app.conf"); });\n',
  "base/app/app.conf": "level = 0\n",
});
const at = { cwd: p.dir };
const edit = (text: string) => writeFileSync(join(p.dir, "base/app/app.conf"), `${text}\n`);
const has = (d: Loopback) => readFileSync(join(d.root, "etc/app.conf"), "utf8").trim();

const names = Array.from({ length: 9 }, (_, i) => `gw${i + 1}`);
let devices: Loopback[];
/** Takes calls and never says a word. */
let silent: Server;
const callers = new Set<Socket>();

beforeAll(async () => {
  if (runs.skip) return;
  await debcastOk(["image", "-q"], at);
  devices = [];
  // What they lie over is not to change with the image.
  execFileSync("cp", ["-a", join(p.dir, "image/base"), join(p.dir, "frozen")]);
  for (const [i] of names.entries()) devices.push(await loopback(join(p.dir, "frozen"), { overlay: true, size: i === 8 ? "64M" : "256M" }));
  silent = createServer((s) => callers.add(s.on("error", () => {})));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const dead = `dead: { host: "root@127.0.0.1", port: ${(silent.address() as { port: number }).port}, ssh: ["ConnectTimeout=300"] },`;
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf([...devices.map((d, i) => d.line(names[i]!)), dead]));
  // A first push compares each path and leaves a mark; the others are what that one is.
  await debcastOk(["push", "gw1"], at);
  for (const d of devices.slice(1)) execFileSync("cp", ["-a", join(devices[0]!.root, "var/lib/debcast"), join(d.root, "var/lib")]);
});
afterAll(async () => {
  for (const s of callers) s.destroy();
  silent?.close();
  await Promise.all((devices ?? []).map((d) => d.kill()));
  p[Symbol.dispose]();
});

const timed = async (args: readonly string[]): Promise<Ran & { seconds: number }> => {
  const start = performance.now();
  const r = await debcast(args, at);
  return { ...r, seconds: (performance.now() - start) / 1000 };
};
const clean = (text: string) => text.replace(/\([a-z]+ [\d.]+ [^)]*\)/g, "(TIMES)").replace(/\b[\d.]+ [kMG]?B\b/g, "SIZE").replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT");

test("ten devices at once, one dead and one full: the others are done, and summary and status say so", runs, async () => {
  edit("level = 1");
  const one = await timed(["push", "gw1"]);
  expect({ status: one.status, has: has(devices[0]!) }, one.stderr).toEqual({ status: 0, has: "level = 1" });
  execFileSync("sh", ["-c", `dd if=/dev/zero of=${devices[8]!.root}/root/fill bs=64k 2> /dev/null || true`]);
  edit("level = 1.5");
  const eight = await timed(["push", ...names.slice(0, 8)]);
  expect({ status: eight.status, stdout: eight.stdout.split("\n").at(-2) }).toEqual({ status: 0, stdout: "8 devices done" });
  edit("level = 2");
  const pushing = timed(["push", ...names, "dead"]);
  let over = false;
  void pushing.then(() => (over = true));
  // Nobody waits for the dead one, which says nothing until all others are done.
  while (!over && !devices.slice(0, 8).every((d) => has(d) === "level = 2")) await new Promise((resolve) => setTimeout(resolve, 20));
  expect({ over, has: devices.map(has) }).toEqual({ over: false, has: [...Array.from({ length: 8 }, () => "level = 2"), "level = 0"] });
  for (const s of callers) s.destroy();
  const ten = await pushing;
  process.stderr.write(`one device: ${one.seconds.toFixed(1)} s; eight: ${eight.seconds.toFixed(1)} s; ten, one of them dead and one full: ${ten.seconds.toFixed(1)} s\n`);
  expect(ten.status).toBe(3);
  expect(clean(ten.stdout)).toMatchInlineSnapshot(`
    "gw1, gw2, gw3, gw4, gw5, gw6, gw7, gw8: / is in RAM: this lasts until the device is restarted (--persist puts it on its disk)

    error: \`gw9\` has SIZE free, and this push needs SIZE; nothing was changed

    hint: make room on it, or a larger \`disk.root\` in the conf

    error: \`dead\` (root@127.0.0.1:PORT) closes the connection before anybody has logged in

    hint: sshd does so while it starts, without a host key, or with too many who log in at once (MaxStartups); its console says more

    8 of 10 devices done; not gw9, dead
    "
  `);
  const told = clean(ten.stderr).split("\n").filter((l) => /^(gw\d|dead) /.test(l));
  expect(told.toSorted().filter((l) => !/^gw[2-7]/.test(l))).toMatchInlineSnapshot(`
    [
      "dead       failed: \`dead\` (root@127.0.0.1:PORT) closes the connection before anybody has logged in",
      "gw1        1 path, SIZE of SIZE sent (TIMES)",
      "gw8        1 path, SIZE of SIZE sent (TIMES)",
      "gw9        failed: \`gw9\` has SIZE free, and this push needs SIZE; nothing was changed",
    ]
  `);
  const status = JSON.parse((await debcast(["status", "gw1", "gw9", "--json"], at)).stdout) as { mark: Record<string, string>; half?: unknown }[];
  expect(status.map((s) => s.half)).toEqual([undefined, undefined]);
  expect(status[0]!.mark.image).not.toBe(status[1]!.mark.image);
  execFileSync("rm", [join(devices[8]!.root, "root/fill")]);
  await debcastOk(["push", "gw9"], at);
  expect(has(devices[8]!)).toBe("level = 2");
});

/** Each makes one path differ; the path, how, and the command. */
const planted: readonly (readonly [path: string, what: string, command: string])[] = [
  ["/etc/app.conf", "content", "echo more >> etc/app.conf"],
  ["/etc/debian_version", "content", "t=$(stat -c %Y etc/debian_version); printf 99 | dd of=etc/debian_version conv=notrunc status=none; touch -d @$t etc/debian_version"],
  ["/etc/profile", "mode", "chmod 600 etc/profile"],
  ["/usr/bin/find", "mode", "chmod u+s usr/bin/find"],
  ["/usr/local/share", "mode", "chmod 700 usr/local/share"],
  ["/etc/issue", "owner", "chown 1000 etc/issue"],
  ["/etc/issue.net", "owner", "chgrp 50 etc/issue.net"],
  ["/etc/bash.bashrc", "attributes", "setfattr -n user.note -v x etc/bash.bashrc"],
  // u::rw- u:1000:r-- g::r-- m::r-- o::r--
  ["/etc/environment", "attributes", "setfattr -n system.posix_acl_access -v 0x0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff etc/environment"],
  ["/usr/bin/sleep", "attributes", "setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 usr/bin/sleep"],
  ["/usr/bin/tac", "removed", "rm usr/bin/tac"],
  ["/etc/new.conf", "added", "echo > etc/new.conf"],
  ["/usr/local/lib/own", "added", "mkdir usr/local/lib/own"],
  ["/usr/local/lib/own/lib.so", "added", "echo > usr/local/lib/own/lib.so"],
  ["/usr/local/pipe", "added", "mkfifo usr/local/pipe"],
  ["/etc/os-release", "target", "ln -sfn nowhere etc/os-release"],
  ["/etc/host.conf", "type", "rm etc/host.conf; ln -s nowhere etc/host.conf"],
  ["/etc/mtab", "type", "rm etc/mtab; echo > etc/mtab"],
  ["/etc/opt", "type", "rmdir etc/opt; echo > etc/opt"],
  ["/usr/bin/who", "type", "rm usr/bin/who; mkdir usr/bin/who"],
  ["/etc/odd\\x0aname\ufffd", "added", "touch \"$(printf 'etc/odd\\nname\\377')\""],
  ["/var/lib/dpkg/info/bash.list", "content", "echo /usr/bin/tac >> var/lib/dpkg/info/bash.list"],
];

test(`pull finds ${planted.length} of ${planted.length} differences made by hand, and none on a clean device; push --full undoes them`, runs, async () => {
  const d = devices[0]!;
  expect((await debcastOk(["pull", "gw1"], at)).stdout).toBe("nothing differs\n");
  // What is the device's own is none: states, logs, what people keep at home.
  execFileSync("sh", ["-ec", `cd ${d.root}; mkdir -p var/lib/app; echo > var/lib/app/state; echo > var/log/app.log; echo > root/notes; echo 1 > etc/machine-id; echo other > etc/hostname`]);
  expect((await debcastOk(["pull", "gw1"], at)).stdout).toBe("nothing differs\n");
  for (const [, , line] of planted) execFileSync("sh", ["-ec", `cd ${d.root}; ${line}`]);
  const r = await debcast(["pull", "gw1", "--json"], at);
  expect(r.status).toBe(1);
  const found = (JSON.parse(r.stdout) as { files: { path: string; change: string; what: { aspect: string }[] }[] }).files;
  const shown = (path: string) => path.replace("\n", "\\x0a");
  expect(found.map((f) => [shown(f.path), f.change === "changed" ? f.what.map((w) => w.aspect).join() : f.change]).toSorted()).toEqual(planted.map(([path, what]) => [path, what]).toSorted());
  const text = await debcast(["pull", "gw1", "--diff"], at);
  expect(text.stdout.slice(text.stdout.indexOf("--- image/etc/app.conf"), text.stdout.indexOf("--- image/etc/debian_version"))).toMatchInlineSnapshot(`
    "--- image/etc/app.conf
    +++ device/etc/app.conf
    @@ -1 +1,2 @@
     level = 2
    +more

    "
  `);
  await debcastOk(["push", "--full", "gw1"], at);
  expect((await debcast(["pull", "gw1"], at)).stdout).toMatchInlineSnapshot(`
    "files: 2 added, +1 B
      + /etc/new.conf      +1 B
      + /etc/odd\\x0aname�

    total: 162 MB → 162 MB (+1 B)
    "
  `);
});

test("what is the device's own: homes with their modes, what is protected by any name, and no link takes the place of what holds it", runs, async () => {
  const d = devices[1]!;
  const inDevice = (line: string) => execFileSync("sh", ["-ec", `cd ${d.root}; ${line}`], { encoding: "utf8" });
  const app = (steps: string) => writeFileSync(join(p.dir, "base/app.ts"), `import { run } from "debcast";\nrun(({ copy, inImage, mkdir, remove, symlink, write }) => { copy("app.conf", "/etc/app.conf"); ${steps} });\n`);
  const before = readFileSync(join(p.dir, "base/app.ts"), "utf8");
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf([d.line("gw2", 'protect: ["/lib/own"]')]));
  inDevice("mkdir -p usr/lib/own root/sub; echo own > usr/lib/own/file; chmod 711 root/sub; echo mine > home/dlog/notes");
  app('mkdir("/root/sub"); write("/root/sub/new", "new\\n");');
  await debcastOk(["push", "--full", "gw2"], at);
  expect(inDevice("stat -c %a root/sub; cat root/sub/new usr/lib/own/file")).toBe("711\nnew\nown\n");
  app('inImage`mkdir -p /persist; mv /home /persist/home`; symlink("persist/home", "/home");');
  const r = await debcast(["push", "gw2"], at);
  expect({ status: r.status, said: r.stderr.slice(r.stderr.indexOf("error: ")).trim() }).toMatchInlineSnapshot(`
    {
      "said": "error: the image has something else than a directory at \`/home\`, and there \`gw2\` keeps what is its own (/home)

    hint: debcast ssh gw2   # and move that elsewhere, if it may go",
      "status": 3,
    }
  `);
  expect(inDevice("cat home/dlog/notes; test ! -e var/lib/debcast/half")).toBe("mine\n");
  writeFileSync(join(p.dir, "base/app.ts"), before);
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf(devices.map((one, i) => one.line(names[i]!))));
  await debcastOk(["push", "gw2"], at);
});

test("push --watch: a save is on the device seconds later; a mistake is told, and the next save tries again", runs, async () => {
  await using watch = startWatch(p.dir, "gw1", "gw2");
  await watch.until("the start", () => /^watching /m.test(watch.said()));
  watch.forget();
  const start = performance.now();
  edit("level = 3");
  await watch.until("the change", () => devices.slice(0, 2).every((d) => has(d) === "level = 3"));
  process.stderr.write(`saved, built and on both devices in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  await watch.until("its line", () => /2 of 2 in/.test(watch.said()));
  expect(clean(watch.said()).replace(/\d\d:\d\d:\d\d/g, "TIME").replace(/in [\d.]+ m?s/, "in TIME").split("\n").toSorted().join("\n").trim()).toMatchInlineSnapshot(`
    "2 of 2 in TIME
    gw1        TIME base/app/app.conf: 1 path, SIZE of SIZE sent (TIMES)
    gw1, gw2: / is in RAM: this lasts until the device is restarted (--persist puts it on its disk)
    gw2        TIME base/app/app.conf: 1 path, SIZE of SIZE sent (TIMES)"
  `);
  watch.forget();
  writeFileSync(join(p.dir, "base/app.ts"), 'import { run } from "debcast";\nrun(({ copy }) => { copy("ap.conf", "/etc/app.conf"); });\n');
  await watch.until("the error", () => /the next save tries again/.test(watch.said()));
  expect(watch.said()).toContain("ap.conf");
  expect(watch.isUp()).toBe(true);
  writeFileSync(join(p.dir, "base/app.ts"), 'import { run } from "debcast";\nrun(({ copy }) => { copy("app.conf", "/etc/app2.conf"); });\n');
  await watch.until("what is right again", () => devices.slice(0, 2).every((d) => existsSync(join(d.root, "etc/app2.conf")) && !existsSync(join(d.root, "etc/app.conf"))));
  expect(statSync(join(devices[0]!.root, "etc/app2.conf")).size).toBe(10);
  expect(await watch.end()).toBe(130);
  expect(readdirSync(tmpdir()).filter((f) => f.startsWith(`debcast-ssh-${watch.pid}-`))).toEqual([]);
});
