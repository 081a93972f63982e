// A normal user's image has other owners outside of its namespaces; what arrives on a device has the right ones.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcast, debcastOk, normalUser, owned, ownDownloads, project } from "./debcast.ts";
import { deviceImage, devicesConf, loopback } from "./loopback.ts";

const user = normalUser();
const missing = ["ssh", "rsync"].filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0);
const reason = "skip" in user ? user.skip : missing.length > 0 ? `not installed: ${missing.join(", ")}` : undefined;
if (reason) process.stderr.write(`skipped: pushing as a normal user: ${reason}\n`);

const parent = join(engineRoot, "out/push-user");
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const app = `import { run } from "debcast";
run(({ copy, write, inImage }) => {
  copy("app.conf", "/etc/app.conf", { owner: "dlog", group: "dialout", mode: 0o640 });
  write("/usr/local/bin/app", "#!/bin/sh\\n", { mode: 0o4755, owner: "guest" });
});
`;

test.skipIf(reason)("a normal user builds and pushes: the device is what root's image is, owners and all", async () => {
  const { name } = user as { name: string };
  const files = { "conf/base.ts": deviceImage(["app"]), "base/app.ts": app, "base/app/app.conf": "level = 1\n" };
  using root = project(files);
  await debcastOk(["image", "-q"], { cwd: root.dir });
  await using device = await loopback(join(root.dir, "image/base"));

  mkdirSync(parent, { recursive: true });
  owned(parent, name);
  const downloads = ownDownloads(join(parent, "downloads"), [join(root.dir, "conf/base.lock")], { owner: name });
  cpSync(join(device.dir, "key"), join(parent, "key"));
  const ssh = device.ssh.map((o) => o.replace(join(device.dir, "key"), join(parent, "key")).replace(join(device.dir, "known_hosts"), join(parent, "known_hosts")));
  cpSync(join(device.dir, "known_hosts"), join(parent, "known_hosts"));
  execFileSync("chown", [`${name}:`, join(parent, "key"), join(parent, "known_hosts")]);
  const line = `gw1: { host: "dlog@127.0.0.1", port: ${device.port}, ssh: ${JSON.stringify(ssh)} },`;
  using own = project({ ...files, "base/app/app.conf": "level = 2\n", "conf/base.lock": readFileSync(join(root.dir, "conf/base.lock"), "utf8"), "conf/devices.ts": devicesConf([line]) }, { owner: name, parent });
  const as = { user: name, cwd: own.dir, downloads, env: { XDG_RUNTIME_DIR: "" } };

  // No mark is on it yet, so this one compares all there is.
  const first = await debcastOk(["push", "gw1", "--json", "-q"], as);
  expect((JSON.parse(first.stdout) as { sent: string[]; removed: string[] })).toMatchObject({ sent: ["/etc/app.conf"], removed: [] });
  const s = statSync(join(device.root, "etc/app.conf"));
  expect({ text: readFileSync(join(device.root, "etc/app.conf"), "utf8"), uid: s.uid, gid: s.gid, mode: s.mode & 0o7777 }).toEqual({ text: "level = 2\n", uid: 1000, gid: 20, mode: 0o640 });
  writeFileSync(join(own.dir, "base/app/app.conf"), "level = 3\n");
  const second = await debcastOk(["push", "gw1", "--json", "-q"], as);
  expect(JSON.parse(second.stdout)).toMatchObject({ sent: ["/etc/app.conf"], removed: [] });
  expect((await debcastOk(["pull", "gw1"], as)).stdout).toBe("nothing differs\n");
  await debcastOk(["clean"], as);
  expect((await debcast(["status", "gw1"], as)).status).toBe(0);
});
