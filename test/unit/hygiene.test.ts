// What a build leaves is found wherever it lies, and what lies elsewhere is let alone, even when links in the image say otherwise.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { verifyGate } from "../../lib/rootfs/gates.ts";
import { clean, findLeftovers } from "../../lib/rootfs/hygiene.ts";

const made: string[] = [];
afterEach(() => made.splice(0).forEach((dir) => rmSync(dir, { recursive: true })));

const epoch = 20_000 * 86_400;

function tree(files: Record<string, string>): string {
  const dir = mkdtempSync(join(tmpdir(), "debcast-hygiene-"));
  made.push(dir);
  for (const [path, text] of Object.entries({ "/etc/hostname": "x\n", ...files })) {
    mkdirSync(dirname(dir + path), { recursive: true });
    writeFileSync(dir + path, text);
  }
  return dir;
}

const paths = (root: string) => (readdirSync(root, { recursive: true, withFileTypes: true }))
  .filter((e) => !e.isDirectory()).map((e) => `${join(e.parentPath ?? e.path, e.name).slice(root.length)}`).sort();

test("what builds leave goes, what packages ship stays", async () => {
  const root = tree({
    "/etc/passwd-": "", "/etc/shadow-": "", "/etc/ssh/ssh_host_rsa_key": "k", "/etc/ssh/ssh_host_rsa_key.pub": "k", "/etc/ssh/sshd_config": "c",
    "/etc/ssl/private/ssl-cert-snakeoil.key": "k", "/etc/ssl/certs/ssl-cert-snakeoil.pem": "c", "/etc/ssl/certs/ca.pem": "c",
    "/usr/sbin/policy-rc.d": "exit 101", "/usr/sbin/policy": "", "/root/.bash_history": "ls", "/root/.bashrc": "",
    "/var/cache/apt/pkgcache.bin": "", "/var/cache/apt/archives/x.deb": "", "/var/cache/debconf/config.dat": "", "/var/cache/debconf/config.dat-old": "",
    "/var/cache/ldconfig/aux-cache": "", "/var/lib/apt/lists/mirror.example_debian_dists_trixie_InRelease": "", "/var/lib/apt/lists/lock": "",
    "/var/lib/apt/lists/partial/x": "", "/var/lib/dbus/machine-id": "1", "/var/lib/dpkg/status": "", "/var/lib/dpkg/status-old": "", "/var/lib/dpkg/lock": "",
    "/var/lib/dpkg/info/base-files.list": "/.\n/run\n/run/lock\n/var/log/shipped\n", "/var/lib/dpkg/triggers/Lock": "", "/var/lib/dpkg/triggers/File": "",
    "/var/lib/systemd/random-seed": "r", "/var/lib/systemd/credential.secret": "s", "/var/log/dpkg.log": "l", "/var/log/apt/term.log": "l",
    "/var/log/wtmp": "", "/var/log/shipped": "s", "/run/lock/x": "", "/run/utmp": "", "/tmp/x": "", "/var/tmp/x/y": "", "/dev/null": "", "/proc/x": "",
  });
  await clean(root, { epoch });
  expect(paths(root)).toMatchInlineSnapshot(`
    [
      "/etc/hostname",
      "/etc/machine-id",
      "/etc/ssh/sshd_config",
      "/etc/ssl/certs/ca.pem",
      "/root/.bashrc",
      "/usr/sbin/policy",
      "/var/cache/debconf/config.dat",
      "/var/lib/dpkg/info/base-files.list",
      "/var/lib/dpkg/status",
      "/var/lib/dpkg/triggers/File",
      "/var/log/shipped",
      "/var/log/wtmp",
    ]
  `);
  expect(existsSync(join(root, "run/lock"))).toBe(true);
  expect(findLeftovers(root)).toEqual([]);
  expect(statSync(join(root, "etc/machine-id"))).toMatchObject({ size: 0, mode: 0o100444 });
});

test("links in the image lead to nothing outside of it", async () => {
  const outside = tree({ "/keep": "k", "/passwd-": "p", "/shadow": "root:*:1:\n" });
  const root = tree({});
  for (const link of ["tmp", "run", "var", "root"]) symlinkSync(outside, join(root, link));
  rmSync(join(root, "etc"), { recursive: true });
  symlinkSync(outside, join(root, "etc"));
  await clean(root, { epoch }).catch(() => {});
  expect(paths(outside)).toEqual(["/etc/hostname", "/keep", "/passwd-", "/shadow"]);
  expect(readFileSync(join(outside, "shadow"), "utf8")).toBe("root:*:1:\n");
});

test("days of passwords are the archive's; an unset one and a forced change stay", async () => {
  const root = tree({ "/etc/shadow": "root:*:20500:0:99999:7:::\nnew:!:0:0:99999:7:::\nold:!:::::::\n" });
  await clean(root, { epoch });
  expect(readFileSync(join(root, "etc/shadow"), "utf8")).toBe("root:*:20000:0:99999:7:::\nnew:!:0:0:99999:7:::\nold:!:::::::\n");
});

test("ssh makes its keys at the first start, unless a scriptlet has seen to it", async () => {
  const unit = "[Unit]\nConditionFirstBoot=yes\n[Service]\nExecStart=ssh-keygen -A\n";
  const root = tree({ "/usr/lib/systemd/system/sshd-keygen.service": unit });
  await clean(root, { epoch });
  const dir = "/etc/systemd/system/sshd-keygen.service.d";
  expect(readFileSync(join(root, dir, "missing-key.conf"), "utf8")).toMatchInlineSnapshot(`
    "# The image has no host keys: they are made at the first start, whichever boot that is.
    [Unit]
    ConditionFirstBoot=
    ConditionPathIsReadWrite=/etc/ssh
    ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
    "
  `);
  const own = tree({ "/usr/lib/systemd/system/sshd-keygen.service": unit, [`${dir}/own.conf`]: "[Unit]\nConditionFirstBoot=\n" });
  await clean(own, { epoch });
  expect(readdirSync(join(own, dir))).toEqual(["own.conf"]);
});

test("dpkg --verify: left out and changed by steps is expected, all else is damage", () => {
  const output = "missing     /usr/share/man/man1/a.1.gz\n??5?????? c /etc/changed\nmissing     /usr/share/doc/x/y\n??5??????   /usr/bin/damaged\n";
  const found = verifyGate(output, { excludes: ["/usr/share/man/**"], made: ["/etc/changed", "/usr/share/doc/x"] });
  expect(found.map((e) => `${e.message}\n${e.details}\nhint: ${e.hint}`)).toMatchInlineSnapshot(`
    [
      "a file of a package differs from what was unpacked, and no step changed them
    ??5??????   /usr/bin/damaged
    hint: change files of packages with steps (edit, write, remove), not with commands: then the image can be told from a damaged one",
    ]
  `);
  expect(verifyGate("", { excludes: [], made: [] })).toEqual([]);
});
