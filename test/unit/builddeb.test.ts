// buildDeb(): what dpkg-deb makes of it, that it is the same everywhere, and what it refuses.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { buildLocalDeb } from "../../lib/builddeb.ts";
import type { BuiltControl } from "../../lib/plan/plan.ts";

const made: string[] = [];
afterEach(() => made.splice(0).forEach((dir) => rmSync(dir, { recursive: true, force: true })));

function tree(files: Record<string, string>): string {
  const dir = mkdtempSync(join(tmpdir(), "debcast-"));
  made.push(dir);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, "in", path)), { recursive: true });
    writeFileSync(join(dir, "in", path), text, { mode: path.includes("bin/") ? 0o750 : 0o600 });
  }
  return dir;
}

const control: BuiltControl = { name: "foo", version: "1:0.1", depends: ["python3-serial", "libc6 (>= 2)"], units: ["foo.service", "foo@.service"] };
const service = "[Service]\nExecStart=/usr/bin/foo\n[Install]\nWantedBy=multi-user.target\n";
const files = { "usr/bin/foo": "#!/bin/sh\n", "etc/foo.conf": "a=1\n", "lib/systemd/system/foo.service": service, "usr/lib/systemd/system/foo@.service": service };

function build(dir: string, c: BuiltControl = control) {
  return buildLocalDeb({ dir: join(dir, "in"), control: c, epoch: 1_700_000_000, to: join(dir, "out") });
}

function dpkgDeb(...args: string[]): string {
  return execFileSync("dpkg-deb", args, { env: { ...process.env, TZ: "UTC0", LC_ALL: "C.UTF-8" } }).toString();
}

test("dpkg-deb reads control, files, modes and times", async () => {
  const { path } = await build(tree(files));
  expect(dpkgDeb("-f", path)).toMatchInlineSnapshot(`
    "Package: foo
    Version: 1:0.1
    Architecture: all
    Maintainer: debcast <root@localhost>
    Installed-Size: 10
    Depends: python3-serial, libc6 (>= 2)
    Section: misc
    Priority: optional
    Description: foo, made by a scriptlet of this image
    "
  `);
  expect(dpkgDeb("-c", path)).toMatchInlineSnapshot(`
    "drwxr-xr-x root/root         0 2023-11-14 22:13 ./
    drwxr-xr-x root/root         0 2023-11-14 22:13 ./etc/
    -rw-r--r-- root/root         4 2023-11-14 22:13 ./etc/foo.conf
    drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/
    drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/bin/
    -rwxr-xr-x root/root        10 2023-11-14 22:13 ./usr/bin/foo
    drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/lib/
    drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/lib/systemd/
    drwxr-xr-x root/root         0 2023-11-14 22:13 ./usr/lib/systemd/system/
    -rw-r--r-- root/root        70 2023-11-14 22:13 ./usr/lib/systemd/system/foo.service
    -rw-r--r-- root/root        70 2023-11-14 22:13 ./usr/lib/systemd/system/foo@.service
    "
  `);
  expect(dpkgDeb("-I", path, "conffiles", "md5sums")).toMatchInlineSnapshot(`
    "/etc/foo.conf
    3e2b31c72181b87149ff995e7202c0e3  usr/bin/foo
    60f78f26ceb4ce7bc9b3d1a53a16bb50  usr/lib/systemd/system/foo.service
    60f78f26ceb4ce7bc9b3d1a53a16bb50  usr/lib/systemd/system/foo@.service
    "
  `);
});

test("its scripts are right for sh, and enable services but no template without an instance", async () => {
  const { path } = await build(tree(files));
  for (const script of ["postinst", "prerm", "postrm"]) execFileSync("sh", ["-n"], { input: dpkgDeb("-I", path, script) });
  expect(dpkgDeb("-I", path, "postinst")).toMatchInlineSnapshot(`
    "#!/bin/sh
    set -e
    case "$1" in configure | abort-*)
      deb-systemd-helper unmask 'foo.service' > /dev/null || true
      if deb-systemd-helper --quiet was-enabled 'foo.service'; then deb-systemd-helper enable 'foo.service' > /dev/null || true
      else deb-systemd-helper update-state 'foo.service' > /dev/null || true; fi
      if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload > /dev/null || true
        deb-systemd-invoke restart 'foo.service' > /dev/null || true
      fi ;;
    esac
    "
  `);
});

test("owner's bits, times and place of the directory change nothing", async () => {
  const [a, b] = [tree(files), tree(files)];
  chmodSync(join(b, "in/etc/foo.conf"), 0o664);
  utimesSync(join(b, "in/etc/foo.conf"), 1, 1);
  const [one, two] = [await build(a), await build(b)];
  expect(two.sha256).toBe(one.sha256);
  chmodSync(join(b, "in/etc/foo.conf"), 0o755);
  expect((await build(b)).sha256).not.toBe(one.sha256);
});

test("the same .deb is not written again, a damaged one is", async () => {
  const dir = tree(files);
  const { path } = await build(dir);
  const before = statSync(path, { bigint: true });
  await build(dir);
  expect(statSync(path, { bigint: true }).ctimeNs).toBe(before.ctimeNs);
  const whole = readFileSync(path);
  writeFileSync(path, "half");
  await build(dir);
  expect(readFileSync(path).equals(whole)).toBe(true);
});

test("long names, names that are not ASCII, and links come through", async () => {
  const long = `${"d".repeat(90)}/${"e".repeat(90)}`;
  const dir = tree({ [`usr/share/${long}/Grüße.txt`]: "ü" });
  symlinkSync(`/usr/share/${long}`, join(dir, "in/usr/share/link"));
  const { path } = await build(dir, { ...control, units: [] });
  dpkgDeb("-x", path, join(dir, "x"));
  expect(readFileSync(join(dir, "x/usr/share", long, "Grüße.txt"), "utf8")).toBe("ü");
  expect(dpkgDeb("-c", path)).toContain(`./usr/share/link -> /usr/share/${long}\n`);
});

test("a program makes the package one of its architecture", async () => {
  const dir = tree({});
  mkdirSync(join(dir, "in/usr/bin"), { recursive: true });
  const elf = Buffer.alloc(64);
  elf.write("\x7fELF", 0, "latin1");
  elf.writeUInt16LE(183, 18);
  writeFileSync(join(dir, "in/usr/bin/p"), elf);
  const { path } = await build(dir, { ...control, units: [] });
  expect(dpkgDeb("-f", path, "Architecture")).toBe("arm64\n");
});

test("mistakes", async () => {
  const say = async (dir: string, c = control) => build(dir, c).then(() => "made", (e: Error & { hint?: string }) => `${e.message}\n${(e.hint ?? "").replaceAll(dir, "")}`);
  expect(await say(tree(files), { ...control, units: ["fooo.service"] })).toMatchInlineSnapshot(`
    "the package \`foo\` has no unit \`fooo.service\`
    did you mean \`foo.service\`?"
  `);
  expect(await say(tree({ "DEBIAN/control": "x" }))).toMatchInlineSnapshot(`
    "buildDeb() writes the control files itself, and the directory has a \`DEBIAN/\`
    for scripts of its own, make the package with dpkg-deb and name it: installDeb("./x.deb")"
  `);
  const empty = tree({});
  mkdirSync(join(empty, "in"));
  expect((await say(empty)).replaceAll(empty, "")).toMatchInlineSnapshot(`
    "buildDeb() finds no file in \`/in\`
    "
  `);
});
