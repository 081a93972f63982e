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

const control: BuiltControl = { name: "foo", version: "1:0.1", depends: ["python3-serial", "libc6 (>= 2)"], units: ["foo.service"] };
const service = "[Service]\nExecStart=/usr/bin/foo\n[Install]\nWantedBy=multi-user.target\n";
const files = { "usr/bin/foo": "#!/bin/sh\n", "etc/foo.conf": "a=1\n", "lib/systemd/system/foo.service": service, "usr/lib/systemd/system/foo@.service": service };

function build(dir: string, c: BuiltControl = control) {
  return buildLocalDeb({ dir: join(dir, "in"), control: c, epoch: 1_700_000_000, to: join(dir, "out") });
}

/** ELF files, each with its e_machine. */
function programs(of: Record<string, number>): string {
  const dir = tree(Object.fromEntries(Object.keys(of).map((path) => [path, ""])));
  for (const [path, machine] of Object.entries(of)) {
    const elf = Buffer.alloc(64);
    elf.write("\x7fELF", 0, "latin1");
    elf.writeUInt16LE(machine, 18);
    writeFileSync(join(dir, "in", path), elf);
  }
  return dir;
}

const say = (dir: string, c = control) => build(dir, c).then(() => "made", (e: Error & { hint?: string }) => `${e.message}\n${(e.hint ?? "").replaceAll(dir, "")}`);

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

test("its scripts are right for sh, and enable the services that are named", async () => {
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
  const built = await build(programs({ "usr/bin/p": 183 }), { ...control, units: [] });
  expect(dpkgDeb("-f", built.path, "Architecture")).toBe("arm64\n");
  expect(built.control).toContain("\nArchitecture: arm64\n");
});

test("what the system does not run says nothing of the architecture", async () => {
  const dir = programs({ "usr/lib/firmware/mcu.elf": 94, "usr/share/foo/other.elf": 40, "usr/lib/foo/plugin.so.1": 62 });
  chmodSync(join(dir, "in/usr/lib/firmware/mcu.elf"), 0o755);
  expect(dpkgDeb("-f", (await build(dir, { ...control, units: [] })).path, "Architecture")).toBe("amd64\n");
});

test("a service or a program that a package cannot have", async () => {
  const unit = (name: string, text: string) => say(tree({ [`lib/systemd/system/${name}`]: text }), { ...control, units: [name] });
  const said = [await unit("a.service", "[Service]\n"), await unit("a@.service", service), await unit("a@.service", `${service}DefaultInstance=x\n`), await say(programs({ "usr/bin/a": 62, "usr/lib/b.so": 183 }), { ...control, units: [] }), await say(programs({ "usr/bin/a": 94 }), { ...control, units: [] })];
  expect(said.join("\n\n")).toMatchInlineSnapshot(`
    "the unit \`a.service\` of the package \`foo\` has no section \`[Install]\`, and cannot be enabled
    add to usr/lib/systemd/system/a.service:
    [Install]
    WantedBy=multi-user.target
    or take it out of \`units\`, if another unit starts it

    the unit \`a@.service\` of the package \`foo\` is a template without an instance, and cannot be enabled
    add to usr/lib/systemd/system/a@.service:
    [Install]
    DefaultInstance=NAME
    or take it out of \`units\`, if a rule of udev or another unit starts its instances

    made

    \`usr/bin/a\` is for \`amd64\` and \`usr/lib/b.so\` for \`arm64\`, and a package has one architecture
    make two packages of them, or build one of them anew; if it is firmware, which the image does not run: chmod a-x FILE, or move it below usr/lib/firmware/

    \`usr/bin/a\` is a program for machine 94 of elf.h, for which Debian images are not made
    if it is firmware, which the image does not run: chmod a-x usr/bin/a, or move it below usr/lib/firmware/"
  `);
});

test("mistakes", async () => {
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
