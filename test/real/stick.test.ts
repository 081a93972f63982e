// `debcast stick`: a disk that is clean, the same bytes each time, with all on it that a device is made of.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcast, debcastOk, type project, skipUnless } from "./debcast.ts";
import { partitions, restoreOf, sha256, smallSystem, stickProject } from "./sticks.ts";

const parent = join(engineRoot, "out/stick-test");
let p: Awaited<ReturnType<typeof stickProject>> | ReturnType<typeof project>;

const wanted = ["sfdisk", "sgdisk", "e2fsck", "fsck.vfat", "mdir", "zstd"];
const lacking = wanted.filter((name) => !["/usr/bin", "/usr/sbin", "/bin", "/sbin"].some((dir) => existsSync(join(dir, name))));
const programs = skipUnless(lacking.length === 0, `sticks are looked at with ${lacking.join(", ")}, which ${lacking.length === 1 ? "is" : "are"} not installed`);
const stick = () => join(p.dir, "out/small.stick.img");
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** Prints what is wrong; it ends with 0 when nothing is. */
function clean(argv: readonly string[]): void {
  const r = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });
  expect(r.status, `${argv.join(" ")}: ${r.stdout}${r.stderr}`).toBe(0);
}

beforeAll(async () => {
  if (programs.skip) return;
  rmSync(parent, { recursive: true, force: true });
  mkdirSync(parent, { recursive: true });
  p = await stickProject({ small: smallSystem({ scriptlets: ["marks"] }), plain: smallSystem().replace('"disk", ', "") }, {
    parent,
    files: { "base/marks.ts": 'import { installDeb, run } from "debcast";\ninstallDeb("libcap2-bin");\nrun(({ inImage }) => {\n  inImage`cd /usr/local/bin; cp /usr/bin/true capable; chmod 4755 capable; setcap cap_net_raw+ep capable; ln capable other; touch "a b"`;\n});\n' },
  });
  await debcastOk(["stick", "-C", p.dir, "-c", "small"]);
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

test.skipIf(programs.skip)("what a killed one left goes, and what a living one works in stays", async () => {
  const [dead, living] = ["999999999", String(process.pid)].map((pid) => join(p.dir, `out/.small.stick.${pid}`)) as [string, string];
  for (const dir of [dead, living]) mkdirSync(dir);
  await debcastOk(["stick", "-C", p.dir, "-c", "small"]);
  expect([existsSync(dead), existsSync(living)]).toEqual([false, true]);
  rmSync(living, { recursive: true });
});

test.skipIf(programs.skip)("table and file systems are clean, and no partition is called as one of a device", () => {
  clean(["sgdisk", "-v", stick()]);
  const parts = partitions(stick());
  expect(parts.map((q) => [q.name, q.type.toLowerCase()])).toEqual([
    ["RESTORE", "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"], ["stick-esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"], ["stick-root", "0fc63daf-8483-4772-8e79-3d69d8477de4"],
  ]);
  for (const part of parts.slice(0, 2)) {
    const file = join(parent, "fat");
    execFileSync("dd", [`if=${stick()}`, `of=${file}`, "bs=1M", `skip=${part.start >> 20}`, `count=${part.size >> 20}`, "status=none"]);
    clean(["fsck.vfat", "-n", file]);
  }
  clean(["e2fsck", "-fn", `${stick()}?offset=${parts[2]!.start}`]);
});

test.skipIf(programs.skip)("RESTORE holds the tarball, the manifest of its tree, and a checksum of each", () => {
  const restore = restoreOf(stick(), parent);
  const files = restore.list();
  expect(files.map((f) => f.replace(/debian-.*\.conf/, "debian-VERSION.conf"))).toEqual([
    "README.txt", "SHA256SUMS", "esp/EFI/BOOT/BOOTX64.EFI", "esp/loader/entries/debian-VERSION.conf", "esp/loader/loader.conf", "layout", "manifest",
    "restore.conf", "small.tar.zst", "values/0", "values/1", "values/2", "values/3", "values/4",
  ]);
  const out = join(parent, "restore");
  for (const file of files) {
    mkdirSync(join(out, file, ".."), { recursive: true });
    writeFileSync(join(out, file), restore.read(file));
  }
  const checked = execFileSync("sha256sum", ["--check", "SHA256SUMS"], { cwd: out }).toString();
  expect(checked.trimEnd().split("\n").length).toBe(files.length - 3);
  expect(sha256(join(out, "small.tar.zst"))).toBe(sha256(join(p.dir, "out/small.tar.zst")));

  const manifest = readFileSync(join(out, "manifest"), "utf8");
  const about = (path: string) => manifest.split("\n").filter((l) => l.split(" ").some((word) => word === path || word === path.slice(2))).map((l) => l.replace(/[0-9a-f]{64}/, "SUM").replace(/(?<=:\d+) \d+ /, " SIZE "));
  expect(about("./usr/local/bin/capable")).toEqual([
    "node f 4755 0:0 SIZE ./usr/local/bin/capable", "same ./usr/local/bin/capable ./usr/local/bin/other", "sum SUM ./usr/local/bin/capable",
    "attribute usr/local/bin/capable security.capability=0x0100000200200000000000000000000000000000",
  ]);
  expect(about("./bin")).toEqual(["node l 777 0:0 - ./bin -> usr/bin"]);
  expect(manifest).toMatch(/^attribute var\/log\/journal system\.posix_acl_access=0x02/m);
  // What the tarball makes, as the stick sees it.
  const tree = join(parent, "tree");
  mkdirSync(tree);
  execFileSync("tar", ["--extract", "--zstd", "--file", join(out, "small.tar.zst"), "--directory", tree, "--numeric-owner", "--same-owner", "-p", "--xattrs", "--xattrs-include=*", "--acls"], { env });
  expect(execFileSync("sh", [join(engineRoot, "base/restore/tree-manifest"), tree], { maxBuffer: 1 << 30 }).toString() === manifest).toBe(true);
});

test.skipIf(programs.skip)("the same bytes again; a directory gets the files alone", async () => {
  const first = sha256(stick());
  rmSync(stick());
  await debcastOk(["stick", "-C", p.dir, "-c", "small"]);
  expect(sha256(stick())).toBe(first);
  const dir = join(p.dir, "out/files/");
  await debcastOk(["stick", "-C", p.dir, "-c", "small", "-o", dir, "--disk", "serial:X 1", "--yes", "--set", "hostname=gw-9"]);
  expect(readdirSync(dir).sort()).toEqual(["README.txt", "SHA256SUMS", "esp", "layout", "manifest", "restore.conf", "small.tar.zst", "values"]);
  expect(readFileSync(join(dir, "restore.conf"), "utf8")).toMatch(/^disk = serial:X 1\n[^]*^confirm = no\n[^]*^hostname = gw-9\n/m);
});

test.skipIf(programs.skip)("mistakes", async () => {
  const said = async (...words: string[]) => (await debcast(["stick", "-q", "-C", p.dir, "-c", "small", ...words])).stderr.replaceAll(relative(process.cwd(), p.dir), "DIR").replaceAll(p.dir, "DIR");
  expect(await said("--disk", "sda")).toMatchInlineSnapshot(`
    "error: \`--disk sda\` names no disk

    hint: it is one of only, serial:…, model:…, path:/dev/…
    "
  `);
  expect(await said("--yes")).toMatchInlineSnapshot(`
    "error: \`--yes\` without a disk: the stick would not know which one to write

    hint: --disk only --yes
    "
  `);
  expect(await said("--set", "hostnam=x")).toMatchInlineSnapshot(`
    "error: \`--set\` sets \`hostnam\`, which devices do not have

    hint: did you mean \`hostname\`?
    "
  `);
  expect(await said("-c", "plain")).toMatchInlineSnapshot(`
    "error: \`plain\` lacks the scriptlet \`disk\`, which makes it start from one

    hint: scriptlets: ["disk", …],
    "
  `);
  writeFileSync(join(p.dir, "conf/stick.ts"), smallSystem());
  try {
    expect(await said()).toMatchInlineSnapshot(`
      "error: DIR/conf/stick.ts: nothing may be written to a stick, nor to the disks of a device while it starts

      hint: disk: { root: { mode: "overlay", size: "fit" }, persist: false },
      "
    `);
    writeFileSync(join(p.dir, "conf/stick.ts"), smallSystem({ disk: '{ root: { mode: "overlay", size: "fit" }, persist: false, data: { size: "64M", mount: "/data" } }' }));
    expect(await said()).toMatchInlineSnapshot(`
      "error: DIR/conf/stick.ts: a stick has no \`disk.data\`: it would mount the data partition of the device that it starts on

      hint: disk: { root: { mode: "overlay", size: "fit" }, persist: false },
      "
    `);
  } finally {
    rmSync(join(p.dir, "conf/stick.ts"));
  }
});
