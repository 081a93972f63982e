import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hostMirrors, mirrorsFor } from "../../lib/mirrors.ts";
import { told } from "./packages.ts";

let apt: string;
beforeEach(() => {
  apt = mkdtempSync(join(tmpdir(), "debcast-apt-"));
  mkdirSync(join(apt, "sources.list.d"));
});
afterEach(() => rmSync(apt, { recursive: true }));

const source = (name: string, text: string) => writeFileSync(join(apt, name), text);

test("one-line sources: options, comments, other types and other people's", () => {
  source("sources.list", [
    "# deb http://old.mirror.example/debian trixie main",
    "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.mirror.example/debian/ trixie main contrib # near",
    "deb-src http://src.mirror.example/debian trixie main",
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://s.mirror.example/debian-security trixie-security main",
    "deb [signed-by=/etc/apt/keyrings/other.gpg] https://other.mirror.example/linux trixie main",
    "deb cdrom:[Debian 13]/ trixie main",
    "deb file:/srv/debian trixie main",
  ].join("\n"));
  expect(hostMirrors(apt)).toEqual({ main: ["http://a.mirror.example/debian"], security: ["https://s.mirror.example/debian-security"] });
});

test("deb822 sources: several URIs and suites, disabled ones, comments, a key written out", () => {
  source("sources.list.d/debian.sources", `
# Debian
Types: deb deb-src
URIs: http://a.mirror.example/debian http://b.mirror.example/debian
# a comment between fields
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Types: deb
URIs: http://off.mirror.example/debian
Suites: trixie
Components: main
Enabled: no
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Types: deb
URIs: http://a.mirror.example/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
`);
  source("sources.list.d/other.sources", "Types: deb\nURIs: http://other.mirror.example\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ==\n -----END PGP PUBLIC KEY BLOCK-----\n");
  source("sources.list.d/broken.sources", "Types: deb\nTypes: deb\nURIs http://x\n");
  source("sources.list.d/debian.sources.save", "Types: deb\nURIs: http://saved.mirror.example\nSuites: trixie\nComponents: main\n");
  expect(hostMirrors(apt)).toEqual({ main: ["http://a.mirror.example/debian", "http://b.mirror.example/debian"], security: ["http://a.mirror.example/debian-security"] });
});

test("where no source names its keyring, suites and components tell Debian", () => {
  source("sources.list", "deb http://a.mirror.example/debian bookworm main\ndeb http://sec.mirror.example/x bookworm-security main\ndeb http://other.mirror.example/ubuntu noble main universe\ndeb http://third.mirror.example/ bookworm stable\n");
  expect(hostMirrors(apt)).toEqual({ main: ["http://a.mirror.example/debian"], security: ["http://sec.mirror.example/x"] });
});

test("a list of mirrors, as cloud images have it", () => {
  source("mirrors.list", "http://a.mirror.example/debian\tpriority:1\n# x\nhttps://b.mirror.example/debian\n");
  source("sources.list.d/debian.sources", `Types: deb\nURIs: mirror+file:${join(apt, "mirrors.list")}\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`);
  expect(hostMirrors(apt).main).toEqual(["http://a.mirror.example/debian", "https://b.mirror.example/debian"]);
});

test("the order: --mirror, the conf's, the host's; security has places of its own", () => {
  source("sources.list", "deb http://host.mirror.example/debian trixie main\ndeb http://host.mirror.example/debian-security trixie-security main\n");
  const third = { uri: "http://third.mirror.example/", name: "third", suite: "stable", components: ["main"], keyring: "third.gpg" };
  const o = { apt, mirrors: ["http://given.mirror.example/debian/"], conf: { mirrors: ["http://conf.mirror.example/x", { uri: "http://sec.mirror.example", security: true as const }, third] } };
  expect(["main", "updates", "security", "third"].map((name) => mirrorsFor({ name }, o))).toMatchInlineSnapshot(`
    [
      [
        "http://given.mirror.example/debian",
        "http://conf.mirror.example/x",
        "http://host.mirror.example/debian",
      ],
      [
        "http://given.mirror.example/debian",
        "http://conf.mirror.example/x",
        "http://host.mirror.example/debian",
      ],
      [
        "http://given.mirror.example/debian",
        "http://given.mirror.example/debian-security",
        "http://sec.mirror.example",
        "http://conf.mirror.example/x",
        "http://host.mirror.example/debian-security",
        "http://host.mirror.example/debian",
      ],
      [
        "http://third.mirror.example",
      ],
    ]
  `);
});

test("a host whose apt knows no security source, as debootstrap leaves one, has it beside the main one", () => {
  source("sources.list", "deb http://host.mirror.example/debian trixie main\n");
  expect(mirrorsFor({ name: "security" }, { apt, mirrors: [], conf: { mirrors: [] } })).toEqual(["http://host.mirror.example/debian", "http://host.mirror.example/debian-security"]);
});

test("no mirror anywhere", async () => {
  const ask = (name: string) => told(Promise.resolve().then(() => mirrorsFor({ name }, { apt, mirrors: [], conf: { mirrors: [], file: "conf/base.ts" } })));
  expect(await ask("main")).toMatchInlineSnapshot(`
    "error: conf/base.ts: no Debian mirror is known: neither the conf nor this machine's apt sources name one

    hint: mirrors: ["http://mirror.example/debian"],
          or \`--mirror http://mirror.example/debian\`"
  `);
  expect(await ask("security")).toMatchInlineSnapshot(`
    "error: conf/base.ts: no Debian mirror is known: neither the conf nor this machine's apt sources name one

    hint: mirrors: ["http://mirror.example/debian", { uri: "http://mirror.example/debian-security", security: true }],"
  `);
});
