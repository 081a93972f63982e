// What a word of the command line names: a device of conf/devices.ts, a word as ssh takes it, or the running machine.
import { expect, test } from "vitest";
import { devicesOf } from "../../../lib/push/devices.ts";
import { messageOf, project } from "../load/project.ts";

const devices = (text: string) => ({ "conf/devices.ts": `import { defineDevices } from "debcast";\nexport default defineDevices({\n${text}\n});\n` });
const host = async (word: string) => {
  const [d] = await devicesOf(project(), [word], "base");
  return d!.port === undefined ? d!.host : `${d!.host} port ${d!.port}`;
};

test("names of conf/devices.ts come first, with their defaults", async () => {
  const p = project(devices(`  gw1: { host: "root@10.0.0.7" },\n  "hall-2.north": { host: "dlog@[fd00::7]:2222", image: "base", protect: ["/srv/db", "/lib/firmware", "/library"], ssh: ["ProxyJump=gate"] },\n  vm: { host: "elsewhere" },`));
  expect(await devicesOf(p, ["gw1", "hall-2.north", "vm"], "base")).toMatchInlineSnapshot(`
    [
      {
        "host": "root@10.0.0.7",
        "name": "gw1",
        "protect": [],
        "ssh": [],
      },
      {
        "host": "dlog@fd00::7",
        "image": "base",
        "name": "hall-2.north",
        "port": 2222,
        "protect": [
          "/srv/db",
          "/usr/lib/firmware",
          "/library",
        ],
        "ssh": [
          "ProxyJump=gate",
        ],
      },
      {
        "host": "elsewhere",
        "name": "vm",
        "protect": [],
        "ssh": [],
      },
    ]
  `);
});

test("words as ssh takes them", async () => {
  const words = ["bench", "root@10.0.0.7", "root@bench:2222", "fd00::7", "root@fd00::7", "[fd00::7]:22", "root@[fe80::1%eth0]:2022", "10.0.0.7:1"];
  expect(Object.fromEntries(await Promise.all(words.map(async (w) => [w, await host(w)])))).toMatchInlineSnapshot(`
    {
      "10.0.0.7:1": "10.0.0.7 port 1",
      "[fd00::7]:22": "fd00::7 port 22",
      "bench": "bench",
      "fd00::7": "fd00::7",
      "root@10.0.0.7": "root@10.0.0.7",
      "root@[fe80::1%eth0]:2022": "root@fe80::1%eth0 port 2022",
      "root@bench:2222": "root@bench port 2222",
      "root@fd00::7": "root@fd00::7",
    }
  `);
});

test("what is no device says what would be one", async () => {
  const p = project(devices(`  gateway1: { host: "root@10.0.0.7" },`));
  const words = ["-oProxyCommand=sh", "root@-oProxyCommand=sh", "a b", "bench:0", "bench:70000", "gateway1:", "", "vm"];
  const said = await Promise.all(words.map((w) => messageOf(p, () => devicesOf(p, [w], "base"))));
  expect(said.join("\n\n")).toMatchInlineSnapshot(`
    "error: \`-oProxyCommand=sh\` is no device

    hint: a name of conf/devices.ts, \`root@192.0.2.7\`, \`root@bench:2222\`, or \`vm\`

    error: \`root@-oProxyCommand=sh\` is no device

    hint: a name of conf/devices.ts, \`root@192.0.2.7\`, \`root@bench:2222\`, or \`vm\`

    error: \`a b\` is no device

    hint: a name of conf/devices.ts, \`root@192.0.2.7\`, \`root@bench:2222\`, or \`vm\`

    error: \`bench:0\` is no device

    hint: a name of conf/devices.ts, \`root@192.0.2.7\`, \`root@bench:2222\`, or \`vm\`

    error: \`bench:70000\` is no device

    hint: a name of conf/devices.ts, \`root@192.0.2.7\`, \`root@bench:2222\`, or \`vm\`

    error: \`gateway1:\` is no device

    hint: did you mean \`gateway1\`?

    error: \`\` is no device

    hint: a name of conf/devices.ts, \`root@192.0.2.7\`, \`root@bench:2222\`, or \`vm\`

    error: no machine of \`base\` is running

    hint: debcast vm"
  `);
  expect(await messageOf(p, () => devicesOf(p, ["gateway1", "bench", "root@10.0.0.7"], "base"))).toMatchInlineSnapshot(`"error: \`root@10.0.0.7\` is named twice"`);
});

test("every mistake in conf/devices.ts, with its place", async () => {
  const p = project(devices(`  gw1: { hots: "root@10.0.0.7" },
  gw2: { host: "-oProxyCommand=sh", port: 0, image: "bsae" },
  gw3: { host: "root@x:22", port: 23, protect: "/srv" },
  gw4: { host: "x", protect: ["/srv/", 5, "srv"], ssh: ["-v"] },
  "gw 5": { host: "x" },
  gw6: 7,`));
  expect(await messageOf(p, () => devicesOf(p, ["gw1"], "base"))).toMatchInlineSnapshot(`
    "error: conf/devices.ts:3:10: the device \`gw1\` has an unknown key \`hots\`

    hint: did you mean \`host\`?

    error: conf/devices.ts:3:3: the device \`gw1\` has no \`host\`

    hint: host: "root@192.0.2.7",

    error: conf/devices.ts:4:10: \`host\` of \`gw2\` is \`"-oProxyCommand=sh"\`; expected an address as ssh takes it

    hint: host: "root@192.0.2.7",

    error: conf/devices.ts:4:37: \`port\` of \`gw2\` is \`0\`; expected a number from 1 to 65535

    error: conf/devices.ts:4:46: \`image\` of \`gw2\` is \`"bsae"\`, and there is no such conf

    hint: did you mean \`base\`?

    error: conf/devices.ts:5:29: \`gw3\` has two ports: 22 in \`host\`, and 23

    error: conf/devices.ts:5:39: \`protect\` of \`gw3\` is \`"/srv"\`; expected a list

    hint: protect: ["/srv"],

    error: conf/devices.ts:6:31: \`protect\` of \`gw4\` has \`"/srv/"\` in it

    hint: it is something like "/srv"

    error: conf/devices.ts:6:40: \`protect\` of \`gw4\` has \`5\` in it

    hint: it is something like "/srv"

    error: conf/devices.ts:6:43: \`protect\` of \`gw4\` has \`"srv"\` in it

    hint: it is something like "/srv"

    error: conf/devices.ts:6:57: \`ssh\` of \`gw4\` has \`"-v"\` in it

    hint: it is something like "ProxyJump=gate"

    error: conf/devices.ts:7:3: \`gw 5\` is no name for a device

    hint: letters, digits, \`-\`, \`_\` and \`.\`

    error: conf/devices.ts:8:3: \`gw6\` is \`7\`; expected { host: "root@192.0.2.7" }"
  `);
});

test("a devices.ts without devices, one that asks for too much, and one that is not loaded as a conf", async () => {
  const said = [
    { "conf/devices.ts": "export const gw1 = 1;\n" },
    { "conf/devices.ts": 'import { defineImage } from "debcast";\nexport default defineImage({});\n' },
  ].map((files) => { const p = project(files); return messageOf(p, () => devicesOf(p, ["gw1"], "base")); });
  expect((await Promise.all(said)).join("\n\n")).toMatchInlineSnapshot(`
    "error: conf/devices.ts: the file exports no devices

    hint: export default defineDevices({ bench: { host: "root@192.0.2.7" } });

    error: conf/devices.ts:2:16: \`debcast\`, as conf/devices.ts sees it, has no \`defineImage\`

    hint: it has defineDevices, fail"
  `);
});
