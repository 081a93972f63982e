import { expect, test } from "vitest";
import { loadConf } from "../../../lib/conf.ts";
import { confOf, load, messageOf, project, type TestProject } from "./project.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q ada";
const wrong = (p: TestProject, name = "base") => messageOf(p, () => loadConf(p, name));

test("defaults are filled in", async () => {
  const conf = await loadConf(project(), "base");
  expect({ ...conf, file: "", inputs: [] }).toMatchInlineSnapshot(`
    {
      "arch": "amd64",
      "cmdline": [],
      "components": [
        "main",
      ],
      "disk": undefined,
      "excludes": [],
      "file": "",
      "hostname": "box",
      "inputs": [],
      "keyring": undefined,
      "listens": [],
      "locale": "C.UTF-8",
      "mirrors": [],
      "name": "base",
      "options": {},
      "scriptlets": [
        "a",
      ],
      "security": true,
      "suite": "trixie",
      "timezone": "Etc/UTC",
      "updates": true,
      "users": [],
    }
  `);
});

test("a conf is found by name and by path, and made of others, text and data", async () => {
  const p = project({
    "conf/acme.ts": 'import { defineImage } from "debcast";\nimport base from "./base.ts";\nimport key from "./keys/ada.pub";\nimport hosts from "./hosts.json";\nexport default defineImage({ ...base, hostname: hosts.acme, users: [{ name: "ada", sshKeys: [key] }] });\n',
    "conf/keys/ada.pub": `# Ada's\n${key}\n`,
    "conf/hosts.json": '{ "acme": "acme-gw" }\n',
  });
  for (const conf of [await loadConf(p, "acme"), await loadConf(p, "conf/acme.ts")]) {
    expect([conf.name, conf.hostname, conf.users]).toEqual(["acme", "acme-gw", [{ name: "ada", groups: [], sshKeys: [key] }]]);
    expect(conf.inputs!.map((f) => f.slice(p.dir.length + 1)).sort()).toEqual(["conf/acme.ts", "conf/base.ts", "conf/hosts.json", "conf/keys/ada.pub"]);
  }
});

test("ports that there are not", async () => {
  const p = project({ "conf/base.ts": confOf('"a"', 'listens: ["tcp:22", "tcp:0", "udp:70000", "tcp:022", "ssh"],') });
  expect(await wrong(p)).toMatchInlineSnapshot(`
    "error: conf/base.ts:7:23: \`listens\` has \`"tcp:0"\`; ports go from 1 to 65535

    error: conf/base.ts:7:32: \`listens\` has \`"udp:70000"\`; ports go from 1 to 65535

    error: conf/base.ts:7:45: \`listens\` has \`"tcp:022"\`; expected something like \`tcp:22\`

    error: conf/base.ts:7:56: \`listens\` has \`"ssh"\`; expected something like \`tcp:22\`"
  `);
});

test("a conf that is not there", async () => {
  const p = project({ "conf/gateway.ts": confOf("") });
  expect(await wrong(p, "gatway")).toMatchInlineSnapshot(`
    "error: there is no conf \`gatway\` in conf

    hint: did you mean \`-c gateway\`?"
  `);
  expect(await wrong(p, "else")).toMatchInlineSnapshot(`
    "error: there is no conf \`else\` in conf

    hint: there are \`base\`, \`gateway\`"
  `);
  expect(await wrong(p, "conf/else.ts")).toMatchInlineSnapshot(`"error: there is no file \`conf/else.ts\`"`);
});

test("no default export", async () => {
  expect(await wrong(project({ "conf/base.ts": 'import { defineImage } from "debcast";\nexport const image = defineImage({} as any);\n' }))).toMatchInlineSnapshot(`
    "error: conf/base.ts: the conf exports no image definition

    hint: export default defineImage({ suite: "trixie", … });"
  `);
});

test("a conf that throws, and one that plans", async () => {
  expect(await wrong(project({ "conf/base.ts": 'const x: any = null;\n\nexport default x.y;\n' }))).toMatchInlineSnapshot(`"error: conf/base.ts:3:18: the conf threw \`TypeError: Cannot read properties of null (reading 'y')\`"`);
  expect(await wrong(project({ "conf/base.ts": 'import { need } from "debcast";\nneed("ssh");\nexport default {};\n' }))).toMatchInlineSnapshot(`
    "error: conf/base.ts:2:1: \`debcast\`, as a conf sees it, has no \`need\`

    hint: it has defineImage, secret, lines, fail"
  `);
});

test("nothing of what an image must say", async () => {
  expect(await wrong(project({ "conf/base.ts": 'import { defineImage } from "debcast";\nexport default defineImage({} as any);\n' }))).toMatchInlineSnapshot(`
    "error: conf/base.ts: the conf has no \`suite\`

    hint: suite: "trixie",

    error: conf/base.ts: the conf has no \`arch\`

    hint: arch: "amd64",

    error: conf/base.ts: the conf has no \`scriptlets\`

    hint: scriptlets: ["kernel", "network", "ssh"],

    error: conf/base.ts: the conf has no \`hostname\`

    hint: hostname: "gateway","
  `);
});

test("many mistakes, all at once, each at its line", async () => {
  const p = project({ "conf/base.ts": `import { defineImage } from "debcast";
export default defineImage({
  suite: "trixi",
  arch: "arm64",
  hostname: "my_host",
  scriplets: ["ssh"],
  scriptlets: ["a", 3],
  components: ["main", "nonfree"],
  updates: "yes",
  mirrors: ["ftp://mirror.example/debian", { uri: "https://other.example/apt", suite: "stable", keyrin: "x.gpg" }],
  keyring: "absent.gpg",
  locale: "german",
  timezone: "Europe / Berlin",
  users: [
    { name: "Ada", uid: 1000 },
    { name: "bob", uid: 1000, group: ["dialout"], password: "hunter2", sshKeys: ["ssh-ed25519 bob"] },
    { name: "bob", shell: "bash", uid: -1 },
  ],
  cmdline: ["quiet splash"],
  excludes: ["usr/share/doc"],
  disk: { root: { size: "20 GB" } },
  options: { ssh: 22 },
} as any);
` });
  expect(await wrong(p)).toMatchInlineSnapshot(`
    "error: conf/base.ts:6:3: an image definition has no \`scriplets\`

    hint: did you mean \`scriptlets\`?

    error: conf/base.ts:3:3: \`suite\` is \`"trixi"\`; expected \`bookworm\`, \`trixie\`, \`forky\` or \`sid\`

    hint: suite: "trixie",

    error: conf/base.ts:4:3: images for \`arm64\` are not made yet: only \`amd64\`

    hint: arch: "amd64",

    error: conf/base.ts:7:3: \`scriptlets\` has \`3\` in it; expected texts

    error: conf/base.ts:22:14: \`options.ssh\` is \`22\`; expected { OPTION: VALUE }

    error: conf/base.ts:5:3: \`hostname\` is \`"my_host"\`; expected letters, digits and \`-\`, no more than 64

    error: conf/base.ts:8:24: Debian has no component \`nonfree\`

    hint: did you mean \`non-free\`?

    error: conf/base.ts:9:3: \`updates\` is \`"yes"\`; expected \`true\` or \`false\`

    error: conf/base.ts:10:13: a mirror is \`"ftp://mirror.example/debian"\`; expected an http or https address

    hint: mirrors: ["http://mirror.example/debian"],

    error: conf/base.ts:10:97: the mirror \`https://other.example/apt\` has an unknown key \`keyrin\`

    hint: { uri, security: true } or { uri, name, suite, components, keyring }

    error: conf/base.ts:10:51: the mirror \`https://other.example/apt\` lacks \`name\`

    hint: another archive than Debian's has name, suite, components and keyring of its own

    error: conf/base.ts:10:51: the mirror \`https://other.example/apt\` lacks \`components\`

    hint: another archive than Debian's has name, suite, components and keyring of its own

    error: conf/base.ts:10:51: the mirror \`https://other.example/apt\` lacks \`keyring\`

    hint: another archive than Debian's has name, suite, components and keyring of its own

    error: conf/base.ts:11:3: there is no keyring \`conf/absent.gpg\`

    hint: put the archive's keyring there, or take \`keyring\` out to use this machine's

    error: conf/base.ts:12:3: \`locale\` is \`"german"\`; expected something like \`de_DE.UTF-8\`

    error: conf/base.ts:13:3: \`timezone\` is \`"Europe / Berlin"\`; expected something like \`Europe/Berlin\`

    error: conf/base.ts:15:13: \`Ada\` is no name for a user: small letters, digits, \`-\` and \`_\`, at most 32

    error: conf/base.ts:16:31: a user has no \`group\`

    hint: did you mean \`groups\`?

    error: conf/base.ts:16:13: an open password of user \`bob\`

    hint: password: secret("bob-password"), with the hash that \`mkpasswd\` prints in secrets/bob-password

    error: conf/base.ts:16:13: \`ssh-ed25519 bob\` is no public SSH key of user \`bob\`

    hint: a line as in id_ed25519.pub: \`ssh-ed25519 AAAA… comment\`

    error: conf/base.ts:16:13: \`-1\` is no uid of user \`bob\`

    error: conf/base.ts:16:13: \`"bash"\` is no shell of user \`bob\`

    hint: shell: "/bin/bash"

    error: conf/base.ts:16:13: the user \`bob\` is there twice

    error: conf/base.ts:16:13: the users \`Ada\` and \`bob\` have the same uid 1000

    error: conf/base.ts:19:13: \`cmdline\` has \`"quiet splash"\`; each word of the kernel command line is one text

    hint: cmdline: ["quiet", "splash"],

    error: conf/base.ts:20:14: \`excludes\` has \`usr/share/doc\`, which is no path from \`/\`

    hint: "/usr/share/doc"

    error: conf/base.ts:21:19: \`disk.root.size\` is \`"20 GB"\`; expected \`4G\`, \`500M\`, \`rest\`, \`fit\` or \`fit+200M\`"
  `);
});

test("sid has neither updates nor security", async () => {
  const sid = (more: string) => project({ "conf/base.ts": confOf('"a"', more).replace("trixie", "sid") });
  const conf = await loadConf(sid(""), "base");
  expect([conf.updates, conf.security]).toEqual([false, false]);
  expect(await wrong(sid("security: true,"))).toMatchInlineSnapshot(`
    "error: conf/base.ts:7:3: \`security\` is set, but sid has no such suite

    hint: take \`security\` out"
  `);
});

test("a locale or time zone that nothing sets", async () => {
  const p = project({ "conf/base.ts": confOf('"a"', 'locale: "de_DE.UTF-8", timezone: "Europe/Berlin",'), "base/a.ts": "" });
  expect(await messageOf(p, () => load(p))).toMatchInlineSnapshot(`
    "error: conf/base.ts:7:3: \`locale\` is set, but the scriptlet \`locale\` that sees to it is not planned

    hint: scriptlets: ["locale", …],

    error: conf/base.ts:7:26: \`timezone\` is set, but the scriptlet \`timezone\` that sees to it is not planned

    hint: scriptlets: ["timezone", …],"
  `);
});

test("a password is a secret, and belongs to whoever reads the users", async () => {
  const p = project({
    "conf/base.ts": confOf('"a"', 'users: [{ name: "ada", password: secret("ada-password") }],'),
    "base/user.ts": 'import { conf } from "debcast";\nexport const n = conf.users!.length;\n',
    "base/a.ts": "",
  });
  const plan = await load(p);
  expect(plan.scriptlets.map((s) => [s.name, s.secrets])).toEqual([["minbase", []], ["user", ["ada-password"]], ["a", []]]);
});
