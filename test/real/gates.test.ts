// Every gate that an image passes at the end of its build, and what it says of one that was spoilt.
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gates } from "../../lib/rootfs/hygiene.ts";
import { clampMtimes } from "../../lib/rootfs/tree.ts";
import { isRoot, skipUnless } from "./debcast.ts";
import { smallImage, type Small } from "./small.ts";

const runs = skipUnless(isRoot, "needs root, to look into the image without its namespaces");
let small: Small;

beforeAll(async () => {
  if (!runs.skip) small = await smallImage();
});
afterAll(() => small?.[Symbol.dispose]());

const found = async (made: readonly string[] = []) => {
  const errors = await gates(small.root, { sandbox: small.sandbox, epoch: small.sandbox.epoch, excludes: [], made, placed: new Map() });
  return errors.map((e) => [`${e.code}: ${e.message}`, ...(e.details ? [e.details] : []), `hint: ${e.hint}`].join("\n")).sort().join("\n\n");
};
const at = (path: string) => join(small.root, path);

test("a finished image passes", runs, async () => {
  expect(await found()).toBe("");
});

test("a spoilt one is told path by path", runs, async () => {
  writeFileSync(at("usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n");
  writeFileSync(at("etc/machine-id"), "uninitialized\n");
  writeFileSync(at("etc/generated.key"), `-----BEGIN PRIVATE KEY-----\n${"x".repeat(64)}\n`);
  writeFileSync(at("etc/own.key"), `-----BEGIN PRIVATE KEY-----\n${"x".repeat(64)}\n`);
  writeFileSync(at("run/left"), "");
  writeFileSync(at("usr/lib/libeatmydata.so.9"), "");
  execFileSync("mkfifo", [at("var/lib/pipe")]);
  execFileSync("mknod", [at("etc/node"), "c", "1", "3"]);
  appendFileSync(at("usr/share/common-licenses/GPL-3"), "more\n");
  rmSync(at("usr/share/common-licenses/BSD"));
  const status = at("var/lib/dpkg/status");
  writeFileSync(status, readFileSync(status, "utf8").replace(/(Package: tzdata\nStatus: install ok )installed/, "$1half-configured"));
  await clampMtimes(small.root, small.sandbox.epoch);
  utimesSync(at("etc/passwd"), 4e9, 4e9);
  expect(await found(["/usr/share/common-licenses/BSD", "/etc/own.key"])).toMatchInlineSnapshot(`
    "gate.audit: \`dpkg --audit\` finds faults in the image
    The following packages are only half configured, probably due to problems
    configuring them the first time.  The configuration should be retried using
    dpkg --configure <package> or the configure menu option in dselect:
     tzdata               time zone and daylight-saving time data
    hint: debcast shell --failed

    gate.build: \`/usr/lib/libeatmydata.so.9\` belongs to the build
    hint: debcast why /usr/lib/libeatmydata.so.9

    gate.device: \`/etc/node\` is a device node
    hint: devices come from devtmpfs when the device starts

    gate.key: \`/etc/generated.key\` holds a private key that was made during the build, so every device would have the same
    hint: in a scriptlet: runLast(({ remove }) => remove("/etc/generated.key")), and a unit that makes it when a device starts; or write a key of your own with a step

    gate.leftover: \`/run/left\` is left in the image: a device fills this directory when it starts
    hint: debcast why /run/left

    gate.leftover: \`/usr/sbin/policy-rc.d\` is left in the image: it keeps services from starting
    hint: debcast why /usr/sbin/policy-rc.d

    gate.machine-id: \`/etc/machine-id\` is not an empty file, and the first boot would enable again what was disabled
    hint: no scriptlet may write it in \`runLast\`

    gate.package: the package \`tzdata\` is \`install ok half-configured\` and not installed
    hint: debcast log tzdata

    gate.socket: \`/var/lib/pipe\` is a named pipe that a process of the build left
    hint: debcast why /var/lib/pipe

    gate.time: \`/etc/passwd\` is newer than the archive that the image is made of
    hint: times are clamped before this check: a mistake in debcast

    gate.verify: a file of a package differs from what was unpacked, and no step changed them
    ??5??????   /usr/share/common-licenses/GPL-3
    hint: change files of packages with steps (edit, write, remove), not with commands: then the image can be told from a damaged one"
  `);
});
