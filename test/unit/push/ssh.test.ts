// Connections that do not come about, with the real ssh: what a user reads. What needs an sshd is in test/real/push-connection.test.ts.
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:net";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../../lib/push/connection.ts";
import type { Device } from "../../../lib/push/devices.ts";
import { rootRefused } from "../../../lib/push/sshfailures.ts";
import { freePort } from "../../../lib/vm/machine.ts";
import { told } from "../packages.ts";

const noSsh = spawnSync("ssh", ["-V"]).status !== 0;
if (noSsh) process.stderr.write("skipped: connections: there is no ssh here\n");

const device = (d: Partial<Device>): Device => ({ name: "gw1", host: "root@127.0.0.1", protect: [], ssh: ["UserKnownHostsFile=/dev/null"], ...d });
const failure = (d: Partial<Device>) => told(connect(device(d)).then((c) => c.close()));

/** A port of loopback where `answer` sees to who comes. */
async function listener(answer: (socket: import("node:net").Socket) => void): Promise<number> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

test.skipIf(noSsh)("nothing listens; no such name; settings that ssh does not know", async () => {
  const port = await freePort();
  expect((await failure({ port })).replaceAll(String(port), "PORT")).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) refuses the connection: nothing listens on port PORT

    hint: is it still starting? Does its image have the scriptlet \`ssh\`?"
  `);
  expect(await failure({ host: "root@nowhere.invalid" })).toMatchInlineSnapshot(`
    "error: there is no host \`nowhere.invalid\`

    hint: give an address, a \`Host\` of ~/.ssh/config, or a name that conf/devices.ts has: \`host\` of \`gw1\` is \`root@nowhere.invalid\`"
  `);
  expect(await failure({ name: "nowhere.invalid", host: "nowhere.invalid" })).toMatchInlineSnapshot(`
    "error: there is no host \`nowhere.invalid\`

    hint: give an address, a \`Host\` of ~/.ssh/config, or a name that conf/devices.ts has"
  `);
  expect(await failure({ name: "gw11", host: "gw11.invalid", near: "gw1" })).toMatchInlineSnapshot(`
    "error: there is no host \`gw11.invalid\`

    hint: did you mean \`gw1\` of conf/devices.ts?"
  `);
  expect(await failure({ ssh: ["ProxyJmup=gate"] })).toMatchInlineSnapshot(`
    "error: ssh does not understand its settings for \`gw1\` (root@127.0.0.1): Bad configuration option: proxyjmup

    hint: mend it in ~/.ssh/config, or in \`ssh\` of the device in conf/devices.ts"
  `);
});

test.skipIf(noSsh)("who closes at once, who never answers, and who is no sshd", async () => {
  const closed = await listener((s) => s.destroy());
  expect(await failure({ port: closed }).then((t) => t.replaceAll(String(closed), "PORT"))).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) closes the connection before anybody has logged in

    hint: sshd does so while it starts, without a host key, or with too many who log in at once (MaxStartups); its console says more"
  `);
  const silent = await listener((s) => void s.on("error", () => {}));
  expect(await failure({ port: silent, ssh: ["ConnectTimeout=1"] }).then((t) => t.replaceAll(String(silent), "PORT"))).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) does not answer

    hint: is it switched on, its address right, and port 22 open in every firewall between?"
  `);
  const http = await listener((s) => void s.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  expect(await failure({ port: http }).then((t) => t.replaceAll(String(http), "PORT"))).toMatchInlineSnapshot(`
    "error: \`gw1\` (root@127.0.0.1:PORT) closes the connection before anybody has logged in

    hint: sshd does so while it starts, without a host key, or with too many who log in at once (MaxStartups); its console says more"
  `);
});

test.skipIf(noSsh)("nothing is left of a connection that failed", async () => {
  const mine = () => readdirSync(tmpdir()).filter((f) => f.startsWith(`debcast-ssh-${process.pid}-`));
  await failure({ port: await freePort() });
  expect(mine()).toEqual([]);
});

test("sudo that wants a password, and none at all", async () => {
  const said = ["sudo: a password is required\n", "sh: 1: exec: sudo: not found\n", "bash: line 1: exec: sudo: not found\n", "sudo: unable to resolve host gw: Name or service not known\ncat: /x: Permission denied\n"];
  const all = await Promise.all(said.map((s) => { const e = rootRefused(device({}), s); return e ? told(Promise.reject(e)) : "no matter of root"; }));
  expect(all.join("\n\n")).toMatchInlineSnapshot(`
    "error: whoever logs in on \`gw1\` (root@127.0.0.1) may not become root without a password

    hint: scriptlets: ["push", …], options: { push: { users: ["NAME"] } }   # in its conf, or give \`root@\` as the host

    error: \`gw1\` (root@127.0.0.1) has no sudo, and whoever logs in is not root

    hint: scriptlets: ["push", …], options: { push: { users: ["NAME"] } }   # in its conf, or give \`root@\` as the host

    error: \`gw1\` (root@127.0.0.1) has no sudo, and whoever logs in is not root

    hint: scriptlets: ["push", …], options: { push: { users: ["NAME"] } }   # in its conf, or give \`root@\` as the host

    no matter of root"
  `);
});
