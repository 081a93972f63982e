// Connections to a device, as a user meets them: whom it lets in, what is said when it does not, and when it breaks off.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "../../lib/push/connection.ts";
import type { Device } from "../../lib/push/devices.ts";
import { renderErrors } from "../../lib/report.ts";
import { command, debcast, debcastOk, isRoot, project, sharedDownloads, skipUnless } from "./debcast.ts";
import { deviceImage, devicesConf, loopback, type Loopback } from "./loopback.ts";

const runs = skipUnless(isRoot && spawnSync("ssh", ["-V"]).status === 0, "devices on loopback: needs root, and ssh");

const p = project({ "conf/base.ts": deviceImage() });
let d: Loopback;
beforeAll(async () => {
  if (runs.skip) return;
  await debcastOk(["image", "-q"], { cwd: p.dir });
  d = await loopback(join(p.dir, "image/base"));
});
afterAll(async () => {
  await d?.kill();
  p[Symbol.dispose]();
});

const device = (o: Partial<Device> = {}): Device => ({ name: "gw1", host: "root@127.0.0.1", port: d.port, protect: [], ssh: d.ssh, ...o });
const told = (work: Promise<unknown>) => work.then(() => "no error", (e: unknown) => renderErrors(e).replaceAll(d.dir, "DIR").replaceAll(String(d.port), "PORT").replace(/SHA256:\S+?(?=\))/, "SHA256:…"));
const failure = (o: Partial<Device>) => told(connect(device(o)).then((c) => c.close()));

test("root, and a user by sudo, run scripts as root; their output, status and bytes come back", runs, async () => {
  for (const host of ["root@127.0.0.1", "dlog@127.0.0.1"]) {
    const c = await connect(device({ host }));
    try {
      expect(await c.run('id -un; cat; printf "%s" "it\'s \\"$HOME\\"" >&2; exit 7', { input: "in\n" })).toEqual({ status: 7, stdout: "root\nin\n", stderr: 'it\'s "/root"' });
      expect((await c.run("printf '\\377\\0\\n'", { encoding: "latin1" })).stdout).toBe("\xff\0\n");
      const s = c.session('while read -r line; do echo "got $line"; done; exit 255');
      const heard: string[] = [];
      s.write("one");
      for await (const line of s.lines) {
        heard.push(line);
        if (heard.length === 1) s.write("two");
        else s.end();
      }
      expect(heard).toEqual(["got one", "got two"]);
      expect(await s.ended).toEqual({ status: 255, stderr: "" });
    } finally {
      await c.close();
    }
  }
});

test("a host key that is new, or another one; a key that opens nothing; a user who is not let in, and one who may not become root", runs, async () => {
  const known = (file: string) => [`UserKnownHostsFile=${join(d.dir, file)}`, ...d.ssh];
  expect(await failure({ ssh: known("no_hosts") })).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) is not known to this machine yet: there is no host key of it in known_hosts

    hint: ssh -o UserKnownHostsFile=DIR/no_hosts -o UserKnownHostsFile=DIR/known_hosts -o IdentityFile=DIR/key -o IdentitiesOnly=yes -o GlobalKnownHostsFile=/dev/null -p PORT root@127.0.0.1   # shows its key, and remembers it when you say yes"
  `);
  expect(await failure({ ssh: known("wrong_hosts") })).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) shows another host key than before (now SHA256:…): it was set up anew, it is another device, or somebody stands between

    hint: if it was set up anew, forget the old key and look at the new one:
          ssh-keygen -f "DIR/wrong_hosts" -R "[127.0.0.1]:PORT"
          ssh -o UserKnownHostsFile=DIR/wrong_hosts -o UserKnownHostsFile=DIR/known_hosts -o IdentityFile=DIR/key -o IdentitiesOnly=yes -o GlobalKnownHostsFile=/dev/null -p PORT root@127.0.0.1"
  `);
  expect(await failure({ ssh: [`IdentityFile=${join(d.dir, "other")}`, "IdentitiesOnly=yes", ...d.ssh.filter((o) => !o.startsWith("Identit"))] })).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) does not let \`root\` in with the keys that ssh has (it wants: publickey)

    hint: ssh -o IdentityFile=DIR/other -o IdentitiesOnly=yes -o UserKnownHostsFile=DIR/known_hosts -o GlobalKnownHostsFile=/dev/null -p PORT root@127.0.0.1 -v   # says which keys were tried
          a key comes into an image by users[].sshKeys and options.ssh.allow of its conf; passwords are not asked for"
  `);
  expect(await failure({ host: "nobody@127.0.0.1" })).toMatchInlineSnapshot(`
    "error: \`gw1\` (nobody@127.0.0.1:PORT) does not let \`nobody\` in with the keys that ssh has (it wants: publickey)

    hint: ssh -o UserKnownHostsFile=DIR/known_hosts -o IdentityFile=DIR/key -o IdentitiesOnly=yes -o GlobalKnownHostsFile=/dev/null -p PORT nobody@127.0.0.1 -v   # says which keys were tried
          a key comes into an image by users[].sshKeys and options.ssh.allow of its conf; passwords are not asked for"
  `);
  expect(await failure({ ssh: ["HostKeyAlgorithms=ssh-rsa", ...d.ssh] })).toMatchInlineSnapshot(`
    "error: ssh here and sshd on \`gw1\` (root@127.0.0.1:PORT) have no host key type in common; it offers ssh-ed25519

    hint: ssh_config(5) tells how to allow an old one, for this host alone: \`ssh: ["HostKeyAlgorithms=+ssh-rsa"]\` in conf/devices.ts"
  `);
  const guest = await connect(device({ host: "guest@127.0.0.1" }));
  expect(await told(guest.run("true"))).toMatchInlineSnapshot(`
    "error: whoever logs in on \`gw1\` (guest@127.0.0.1:PORT) may not become root without a password

    hint: scriptlets: ["push", …], options: { push: { users: ["NAME"] } }   # in its conf, or give \`root@\` as the host"
  `);
  await guest.close();
});

test("a restore stick is sent to nobody who has not started from one", runs, async () => {
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf([d.line("gw1")]));
  const to = async (...args: string[]) => {
    const r = await debcast(["stick", "--to", "gw1", ...args], { cwd: p.dir });
    return [r.status, r.stderr];
  };
  expect([await to(), await to("-o", "x.img")]).toMatchInlineSnapshot(`
    [
      [
        3,
        "error: \`gw1\` has not started from a restore stick that takes files over the net

    hint: debcast push gw1   # for a device that runs its image
    ",
      ],
      [
        2,
        "error: \`--to\` and \`--output\` are two ways to put it somewhere
    ",
      ],
    ]
  `);
  rmSync(join(p.dir, "conf/devices.ts"));
});

test("no route, and a network that cannot be reached", runs, async () => {
  // In a network namespace of its own, with the routes for it.
  const line = `ip link set lo up && ip route add unreachable 203.0.113.0/24 && exec ${process.execPath} ${command} status root@203.0.113.7 root@198.51.100.7 ada@[2001:db8::7]:22`;
  const r = spawnSync("unshare", ["--net", "sh", "-c", line], { cwd: p.dir, encoding: "utf8", env: { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads, NO_COLOR: "1" } });
  expect(`${r.stdout}${r.stderr}status ${r.status}`).toMatchInlineSnapshot(`
    "error: there is no way to \`root@203.0.113.7\`: no host answers at this address

    hint: is it switched on, its cable plugged in, and this machine in its network? \`ip route get ADDRESS\` says which way is taken

    error: there is no way to \`root@198.51.100.7\`: the network is not reachable from here

    hint: is it switched on, its cable plugged in, and this machine in its network? \`ip route get ADDRESS\` says which way is taken

    error: there is no way to \`ada@[2001:db8::7]:22\`: the network is not reachable from here

    hint: is it switched on, its cable plugged in, and this machine in its network? \`ip route get ADDRESS\` says which way is taken
    status 3"
  `);
});

test("a connection that breaks off says so to whoever uses it, and leaves nothing", runs, async () => {
  await using gone = await loopback(join(p.dir, "image/base"));
  const c = await connect({ ...device(), port: gone.port, ssh: gone.ssh });
  const s = c.session("echo here; cat");
  const lines = s.lines[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("here");
  await gone.kill();
  // Which of the two the kernel makes of it depends on what was on its way.
  const say = (work: Promise<unknown>) => told(work).then((t) => t.replaceAll(String(gone.port), "PORT").replace("it was reset", "the device closed it"));
  expect(await say(lines.next())).toMatchInlineSnapshot(`
    "error: the connection to \`gw1\` (root@127.0.0.1:PORT) broke off: the device closed it

    hint: debcast status gw1   # once it is back"
  `);
  expect(await say(s.ended)).toBe(await say(c.run("true")));
  await c.close();
  expect(readdirSync(tmpdir()).filter((f) => f.startsWith(`debcast-ssh-${process.pid}-`))).toEqual([]);
});

test("status of devices that answer and of some that do not: a part for each, and status 3", runs, async () => {
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf([d.line("gw1"), `dead: { host: "root@127.0.0.1:1" },`]));
  try {
    const clean = (text: string) => text.replaceAll(String(d.port), "PORT").replace(/up for .*?,/, "up for TIME,").replace(/Linux \S+/, "Linux VERSION").replace(/[\d.]+ [kMG]?B/g, "SIZE");
    const all = await debcast(["status"], { cwd: p.dir });
    expect(`${clean(all.stdout)}${all.stderr}status ${all.status}`).toMatchInlineSnapshot(`
      "gw1 (root@127.0.0.1:PORT)
        runs    an image that no push has brought
        is      up for TIME, device, Linux VERSION
        free    / SIZE of SIZE

      error: \`dead\` (root@127.0.0.1:1) refuses the connection: nothing listens on port 1

      hint: is it still starting? Does its image have the scriptlet \`ssh\`?
      status 3"
    `);
    const one = await debcastOk(["status", "gw1", "--json"], { cwd: p.dir });
    expect(JSON.parse(one.stdout)).toEqual([expect.objectContaining({ device: "gw1", hostname: "device", root: "tmpfs", failed: [] })]);
    expect((await debcastOk(["ssh", "gw1", "--", "cat", "/etc/hostname"], { cwd: p.dir })).stdout).toBe("device\n");
    expect((await debcast(["ssh", "gw1", "--", "exit", "5"], { cwd: p.dir })).status).toBe(5);
  } finally {
    rmSync(join(p.dir, "conf/devices.ts"));
  }
  expect(existsSync(join(p.dir, "conf/devices.ts"))).toBe(false);
});
