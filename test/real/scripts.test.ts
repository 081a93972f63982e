// Maintainer scripts and what they may rely on, with packages made for it in a small real image.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeDeb, type TestDeb } from "./archive/deb.ts";
import { debcast, debcastOk, isRoot, project, skipUnless } from "./debcast.ts";
import { said, smallConf } from "./said.ts";

const runs = skipUnless(isRoot, "needs root, to look at the tree with its owners");

const tool: TestDeb = { name: "test-tool", files: { "/usr/bin/test-tool": { content: "#!/bin/sh\necho from the tool\n", mode: 0o755 } }, control: { postinst: "#!/bin/sh\ntouch /etc/tool-configured\n" } };
const asking: TestDeb = {
  name: "test-asking", fields: { "Pre-Depends": "test-tool", Depends: "debconf" },
  conffiles: ["/etc/asking.conf", "/etc/asking.d/other.conf"],
  files: { "/etc/asking.conf": "of the package\n", "/etc/asking.d/other.conf": "of the package\n", "/usr/share/asking/data": "data\n" },
  control: {
    templates: "Template: test-asking/answer\nType: string\nDefault: none\nDescription: an answer\n",
    preinst: `#!/bin/sh
set -e
. /usr/share/debconf/confmodule
{
  pwd
  echo "$0 $*"
  env | grep -E '^(DPKG_|DEBIAN_FRONTEND|DEBCONF_NONINTERACTIVE|SOURCE_DATE_EPOCH=)' | grep -v 'DPKG_RUNNING_VERSION\\|DPKG_FORCE' | sed 's/EPOCH=.*/EPOCH/' | sort
  dpkg --compare-versions "$DPKG_RUNNING_VERSION" ge 1.22 && echo a recent dpkg
  test-tool
  ls /etc/tool-configured
  db_get test-asking/answer && echo "answered $RET"
  ls /usr/share/asking 2>&1 || true
} >/etc/asking-preinst
`,
    postinst: "#!/bin/sh\nset -e\ncat /usr/share/asking/data >/etc/asking-postinst\nupdate-initramfs -u\n/usr/sbin/policy-rc.d anything start || echo $? >>/etc/asking-postinst\n",
  },
};
/** Only dpkg itself can unpack a FIFO. */
const odd: TestDeb = {
  name: "test-odd", files: { "/usr/share/odd/pipe": { type: "fifo", mode: 0o600 }, "/usr/share/odd/file": "odd\n" },
  control: { preinst: "#!/bin/sh\necho preinst >/etc/odd-scripts\n", postinst: "#!/bin/sh\necho postinst >>/etc/odd-scripts\necho Setting up ../../escape '(1.0) ...'\n" },
};
const muttering: TestDeb = { name: "test-muttering", control: { preinst: "#!/bin/sh\nprintf 'no end of line'\n" } };
const refusing: TestDeb = { name: "test-refusing", version: "2-1", control: { preinst: "#!/bin/sh\necho cannot be here >&2\nexit 3\n" } };

const p = project({
  "conf/base.ts": smallConf(["asking", "odd"]),
  "conf/refused.ts": smallConf(["refusing"]),
  "base/asking.ts": `import { before, debconf, installDeb } from "debcast";
installDeb("./tool.deb", "./asking.deb");
debconf("test-asking test-asking/answer string forty-two");
before(({ write }) => { write("/etc/asking.conf", "of the scriptlet\\n"); });
`,
  "base/odd.ts": `import { installDeb, run } from "debcast";
installDeb("./odd.deb");
run(({ inImage, remove }) => { inImage\`test -p /usr/share/odd/pipe; echo a pipe >>/etc/odd-scripts\`; remove("/usr/share/odd/pipe"); });
`,
  "base/refusing.ts": `import { installDeb } from "debcast";\ninstallDeb("./muttering.deb", "./refusing.deb");\n`,
});
const image = (path: string) => join(p.dir, "image/base", path);

beforeAll(async () => {
  if (runs.skip) return;
  const debs = { "asking/tool": makeDeb(tool), "asking/asking": makeDeb(asking), "odd/odd": makeDeb(odd), "refusing/muttering": makeDeb(muttering), "refusing/refusing": makeDeb(refusing) };
  for (const [path, bytes] of Object.entries(debs)) {
    const to = join(p.dir, "base", `${path}.deb`);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, await bytes);
  }
  await debcastOk(["image"], { cwd: p.dir });
});
afterAll(() => p[Symbol.dispose]());

test("a preinst finds what dpkg promises: its packages configured, its answers, its environment, and not its own files", runs, () => {
  expect(readFileSync(image("etc/asking-preinst"), "utf8")).toMatchInlineSnapshot(`
    "/
    /var/lib/dpkg/tmp.ci/preinst install
    DEBCONF_NONINTERACTIVE_SEEN=true
    DEBIAN_FRONTEND=noninteractive
    DPKG_ADMINDIR=/var/lib/dpkg
    DPKG_MAINTSCRIPT_ARCH=all
    DPKG_MAINTSCRIPT_DEBUG=0
    DPKG_MAINTSCRIPT_NAME=preinst
    DPKG_MAINTSCRIPT_PACKAGE=test-asking
    DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
    DPKG_ROOT=
    SOURCE_DATE_EPOCH
    a recent dpkg
    from the tool
    /etc/tool-configured
    answered forty-two
    ls: cannot access '/usr/share/asking': No such file or directory
    "
  `);
  expect(readFileSync(image("etc/asking-postinst"), "utf8")).toBe("data\n101\n");
});

test("a conffile that before() wrote stays, another is the package's, and nothing lies beside them", runs, () => {
  expect(readFileSync(image("etc/asking.conf"), "utf8")).toBe("of the scriptlet\n");
  expect(readFileSync(image("etc/asking.d/other.conf"), "utf8")).toBe("of the package\n");
  expect([...readdirSync(image("etc")), ...readdirSync(image("etc/asking.d"))].filter((f) => f.includes(".dpkg-"))).toEqual([]);
  const status = spawnSync("dpkg-query", [`--admindir=${image("var/lib/dpkg")}`, "-W", "-f", "${Conffiles}", "test-asking"], { encoding: "utf8" });
  expect(status.stdout.trim()).toMatchInlineSnapshot(`
    "/etc/asking.conf b04d7a1ba86f6fc24a0e43b16b82b929
     /etc/asking.d/other.conf b04d7a1ba86f6fc24a0e43b16b82b929"
  `);
});

test("a package that only dpkg can unpack is unpacked by it", runs, () => {
  expect(readFileSync(image("usr/share/odd/file"), "utf8")).toBe("odd\n");
  expect(readFileSync(image("etc/odd-scripts"), "utf8")).toBe("preinst\npostinst\na pipe\n");
  expect(existsSync(image("var/lib/dpkg/info/test-odd.list"))).toBe(true);
});

test("what a script says cannot name a log outside of the log", runs, () => {
  expect(readdirSync(join(p.dir, "out"), { recursive: true }).filter((f) => String(f).includes("escape"))).toEqual([]);
  expect(readFileSync(join(p.dir, "out/base.log/package-test-odd.log"), "utf8")).toContain("Setting up ../../escape");
});

test("nothing that the build needed for scripts is left", runs, () => {
  expect(["usr/sbin/policy-rc.d", "var/lib/dpkg/tmp.ci", "var/lib/dpkg/debcast.ci", "var/lib/dpkg/debcast.deb", "dev/shm"].filter((f) => existsSync(image(f)))).toEqual([]);
});

test("a preinst that fails, after one whose last line has no end", runs, async () => {
  const r = await debcast(["image", "-c", "refused"], { cwd: p.dir });
  expect(said(r.stderr, p.dir)).toMatchInlineSnapshot(`
    "error: base/refusing.ts:2:1 (refusing): the preinst script of \`test-refusing\` (2-1) ended with status 3
      cannot be here

    hint: \`debcast shell -c refused --failed\` opens a shell where it happened
          \`debcast log -c refused test-refusing\` shows all that it said"
  `);
  expect(r.status).toBe(1);
});
