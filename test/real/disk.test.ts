// `debcast disk`: the same bytes each time, clean file systems, and the tree in it that of the image.
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deviceFor, writeDevice } from "../../lib/disk/device.ts";
import { mke2fs } from "../../lib/disk/filesystems.ts";
import { MiB, types, uuidFrom, type Partition } from "../../lib/disk/layout.ts";
import { unusedOf } from "../../lib/disk/unused.ts";
import { engineRoot } from "../../lib/engine.ts";
import { epochOf, readLock } from "../../lib/lock.ts";
import { debcast, debcastOk, isRoot, normalUser, ownDownloads, project, shippedConf, skipUnless } from "./debcast.ts";
import { confOf } from "./machines.ts";
import { compareTrees, readTree } from "./treediff.ts";

const parent = join(engineRoot, "out/disk-test");
let p: ReturnType<typeof project>;

const wanted = ["sfdisk", "sgdisk", "e2fsck", "dumpe2fs", "debugfs", "fsck.vfat", "mcopy", "mkfs.ext4", "losetup", "zstd"];
const lacking = wanted.filter((name) => !["/usr/bin", "/usr/sbin", "/bin", "/sbin"].some((dir) => existsSync(join(dir, name))));
const programs = skipUnless(lacking.length === 0, `disks are looked at with ${lacking.join(", ")}, which ${lacking.length === 1 ? "is" : "are"} not installed`);
const disk = (name: string) => join(p.dir, "out", name);

beforeAll(async () => {
  if (programs.skip) return;
  mkdirSync(parent, { recursive: true });
  await debcastOk(["image"]);
  p = project({ ...shippedConf("base"), "conf/keys/dlog.pub": readFileSync(join(engineRoot, "conf/keys/dlog.pub"), "utf8") }, { parent });
  await debcastOk(["image", "-C", p.dir]);
  await debcastOk(["disk", "-C", p.dir]);
});
afterAll(() => {
  rmSync(parent, { recursive: true, force: true });
});

interface Part {
  readonly name: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

/** The partitions of a disk, as sfdisk sees them. */
function partitions(file: string): Part[] {
  const table = JSON.parse(execFileSync("sfdisk", ["--json", file], { env: withSbin }).toString()) as { partitiontable: { partitions: { name: string; start: number; size: number }[] } };
  return table.partitiontable.partitions.map((part) => ({ name: part.name, start: part.start * 512, size: part.size * 512 }));
}

const withSbin = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const sha256 = (file: string) => execFileSync("sha256sum", [file]).toString().slice(0, 64);

/** What a checker says of it; it ends with 0 when there is nothing wrong. */
function check(argv: readonly string[]): string {
  const r = spawnSync(argv[0]!, argv.slice(1), { env: withSbin });
  if (r.status !== 0) throw new Error(`${argv.join(" ")} ended with ${r.status}: ${r.stdout}${r.stderr}`);
  return r.stdout.toString();
}

test.skipIf(programs.skip)("table and file systems are clean, and the block map is that of the file", () => {
  expect(check(["sgdisk", "-v", disk("base.img")])).toContain("No problems found");
  const parts = partitions(disk("base.img"));
  expect(parts.map((q) => q.name)).toEqual(["esp", "root-a"]);
  check(["e2fsck", "-fn", `${disk("base.img")}?offset=${parts[1]!.start}`]);
  const esp = join(parent, "esp");
  execFileSync("dd", [`if=${disk("base.img")}`, `of=${esp}`, "bs=1M", `skip=${parts[0]!.start >> 20}`, `count=${parts[0]!.size >> 20}`, "status=none"]);
  check(["fsck.vfat", "-n", esp]);
  expect(readFileSync(`${disk("base.img")}.bmap`, "utf8")).toContain(`<ImageSize> ${statSync(disk("base.img")).size} </ImageSize>`);
  // The holes are holes.
  expect(statSync(disk("base.img")).blocks * 512).toBeLessThan(statSync(disk("base.img")).size * 0.75);
});

const mounts = skipUnless(isRoot, "mounting a disk needs root");

test.skipIf(programs.skip || mounts.skip)("the tree in it is that of the image, capabilities and all", async () => {
  mkdirSync(join(p.dir, "base"), { recursive: true });
  writeFileSync(join(p.dir, "base/marks.ts"), `import { installDeb, run } from "debcast";
installDeb("libcap2-bin");
run(({ inImage }) => {
  inImage\`cd /usr/local/bin; cp /usr/bin/true capable; chmod 4755 capable; setcap cap_net_raw+ep capable; ln capable other; truncate -s 50M sparse; cp capable "a\\nb"\`;
});
`);
  writeFileSync(join(p.dir, "conf/marked.ts"), confOf({ scriptlets: ["marks"] }));
  copyFileSync(join(p.dir, "conf/base.lock"), join(p.dir, "conf/marked.lock"));
  await debcastOk(["image", "-C", p.dir, "-c", "marked"]);
  await debcastOk(["disk", "-C", p.dir, "-c", "marked"]);
  const file = disk("marked.img");
  const epoch = epochOf(readLock(join(p.dir, "conf/marked.lock"))!);
  const root = partitions(file)[1]!;
  const at = join(parent, "mounted");
  mkdirSync(at, { recursive: true });
  execFileSync("mount", ["-o", `loop,ro,offset=${root.start},sizelimit=${root.size}`, file, at]);
  try {
    const [theirs, ours] = [readTree(at, { epoch }), readTree(join(p.dir, "image/marked"), { epoch })];
    // By its mark a push knows what is on a device.
    expect([theirs.has("/var/lib/debcast/mark"), ours.has("/var/lib/debcast")]).toEqual([true, false]);
    for (const own of ["/lost+found", "/var/lib/debcast", "/var/lib/debcast/mark"]) theirs.delete(own);
    expect(compareTrees(theirs, ours, ["disk", "image"])).toEqual([]);
    const facts = [...ours.values()];
    expect(["security.capability", "system.posix_acl"].map((name) => facts.some((f) => f.xattrs.includes(name)))).toEqual([true, true]);
  } finally {
    execFileSync("umount", [at]);
  }
});

const user = normalUser();
const other = skipUnless("name" in user, "skip" in user ? user.skip : "");

test.skipIf(programs.skip || other.skip)("a normal user makes the same bytes, and makes them twice", async () => {
  const { name } = user as { name: string };
  using q = project({ ...shippedConf("base"), "conf/base.lock": readFileSync(join(p.dir, "conf/base.lock"), "utf8"), "conf/keys/dlog.pub": readFileSync(join(engineRoot, "conf/keys/dlog.pub"), "utf8") }, { owner: name });
  const downloads = ownDownloads(join(q.dir, "downloads"), [join(q.dir, "conf/base.lock")], { owner: name });
  const run = (args: string[]) => debcastOk([...args, "-C", q.dir], { user: name, downloads });
  await run(["image", "--locked"]);
  await run(["tar"]);
  await debcastOk(["tar", "-C", p.dir]);
  expect(sha256(join(q.dir, "out/base.tar.zst"))).toBe(sha256(disk("base.tar.zst")));
  await run(["disk"]);
  const first = sha256(join(q.dir, "out/base.img"));
  expect(first).toBe(sha256(disk("base.img")));
  await run(["disk"]);
  expect(sha256(join(q.dir, "out/base.img"))).toBe(first);
  execFileSync("chown", ["0:0", join(q.dir, "image/base")]);
  expect((await debcast(["tar", "-C", q.dir], { user: name, downloads })).stderr).toContain("was built by root or another user, and its owners are right for whoever built it");
  execFileSync("chown", [name, join(q.dir, "image/base")]);
  await debcastOk(["clean", "-C", q.dir], { user: name, downloads });
});

test.skipIf(programs.skip)("other forms hold the same disk, made at the same time", async () => {
  const plain = sha256(disk("base.img"));
  const qcow2 = existsSync("/usr/bin/qemu-img");
  await Promise.all(["x.img.zst", ...(qcow2 ? ["x.qcow2"] : [])].map((name) => debcastOk(["disk", "-C", p.dir, "-o", disk(name)])));
  expect(execFileSync("sh", ["-c", `zstd -dc --long=27 ${disk("x.img.zst")} | sha256sum`]).toString().slice(0, 64)).toBe(plain);
  if (qcow2) expect(spawnSync("qemu-img", ["compare", disk("x.qcow2"), disk("base.img")]).status).toBe(0);
  expect(readdirSync(join(p.dir, "out")).filter((name) => name.startsWith(".") || name.endsWith(".part"))).toEqual([]);
  expect((await debcast(["disk", "-C", p.dir, "-o", disk("x.iso")])).stderr).toMatchInlineSnapshot(`
    "error: \`x.iso\` has no suffix that says what kind of disk it is

    hint: use one of .img, .img.zst, .qcow2
    "
  `);
});

test.skipIf(programs.skip)("values of a device are in its disk, and the file system is clean", async () => {
  await debcastOk(["disk", "-C", p.dir, "-o", disk("gw.img"), "--set", "hostname=gw-017", "--set", "address=192.0.2.17/24", "--set", "serial=SN17"]);
  const root = partitions(disk("gw.img"))[1]!;
  const fs = `${disk("gw.img")}?offset=${root.start}`;
  const cat = (path: string) => execFileSync("debugfs", ["-R", `cat ${path}`, fs], { env: withSbin, stdio: ["ignore", "pipe", "ignore"] }).toString();
  expect(cat("/etc/hostname")).toBe("gw-017\n");
  expect(cat("/etc/hosts")).toContain("127.0.1.1 gw-017\n");
  expect(cat("/etc/systemd/network/05-device.network")).toContain("Address=192.0.2.17/24\n");
  expect(cat("/etc/serial-number")).toBe("SN17\n");
  check(["e2fsck", "-fn", fs]);
});

test.skipIf(programs.skip)("a table makes a disk for each row, with its holes and its map", async () => {
  writeFileSync(join(p.dir, "devices.csv"), "hostname,address\ngw-001,192.0.2.1/24\nbase,192.0.2.2/24\n");
  await debcastOk(["disk", "-C", p.dir, "--table", join(p.dir, "devices.csv")]);
  // The second is called as the conf is, whose disk is another one.
  for (const [name, hostname] of [["gw-001", "gw-001"], ["base.set", "base"]] as const) {
    const file = disk(`${name}.img`);
    const fs = `${file}?offset=${partitions(file)[1]!.start}`;
    expect(execFileSync("debugfs", ["-R", "cat /etc/hostname", fs], { env: withSbin, stdio: ["ignore", "pipe", "ignore"] }).toString()).toBe(`${hostname}\n`);
    expect(statSync(file).blocks * 512).toBeLessThan(statSync(file).size * 0.75);
    expect(readFileSync(`${file}.bmap`, "utf8")).toContain(`<ImageSize> ${statSync(file).size} </ImageSize>`);
    check(["e2fsck", "-fn", fs]);
    rmSync(file);
  }
});

test.skipIf(programs.skip)("what an ext4 has no use for is what dumpe2fs says is free, in groups that were never written too", () => {
  for (const MiBs of [16, 700, 2100]) {
    const file = join(parent, "empty");
    const q: Partition = { name: "data", holds: "nothing", type: types.data, uuid: uuidFrom("x"), start: 0, bytes: MiBs * MiB, grows: false };
    rmSync(file, { force: true });
    execFileSync("truncate", ["-s", String(q.bytes), file]);
    const [program, ...words] = mke2fs(q, "x", ["nodiscard", "lazy_itable_init=0"]);
    execFileSync(program!, [...words, file], { env: withSbin });
    const ours = unusedOf(file, { id: "", bytes: q.bytes, partitions: [q] }).flatMap(({ start, end }) => Array.from({ length: (end - start) / 4096 }, (_, i) => start / 4096 + i));
    const theirs = [...freeBlocks(file)].filter((block) => block * 4096 >= MiB && block * 4096 < q.bytes - MiB);
    expect([MiBs, ours.length, ours.every((block, i) => block === theirs[i])]).toEqual([MiBs, theirs.length, true]);
  }
});

function attach(file: string, ...more: string[]): string {
  return execFileSync("losetup", ["--find", "--show", ...more, file], { env: withSbin }).toString().trim();
}

/** A partition of `file` as a device. */
function part(file: string, q: Part): { path: string } & Disposable {
  const path = attach(file, "--read-only", "--offset", String(q.start), "--sizelimit", String(q.size));
  return { path, [Symbol.dispose]: () => void execFileSync("losetup", ["-d", path], { env: withSbin }) };
}

/** The checksums of all files of a partition with FAT. */
function filesOf(device: string): string[] {
  const to = join(parent, "fat");
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  execFileSync("mcopy", ["-s", "-n", "-i", device, "::", to], { env: { ...process.env, MTOOLS_SKIP_CHECK: "1" }, stdio: ["ignore", "pipe", "pipe"] });
  return execFileSync("sh", ["-c", 'cd "$0" && find . -type f -exec sha256sum {} +', to]).toString().trim().split("\n").sort();
}

/** As dumpe2fs sees it. */
function freeBlocks(device: string): Set<number> {
  const said = execFileSync("dumpe2fs", [device], { env: withSbin, stdio: ["ignore", "pipe", "ignore"], maxBuffer: 1 << 26 }).toString();
  const stretches = [...said.matchAll(/^ +Free blocks: (.+)$/gm)].flatMap(([, list]) => list!.split(", ").map((one) => one.split("-").map(Number)));
  return new Set(stretches.flatMap(([first, last = first]) => Array.from({ length: last! - first! + 1 }, (_, i) => first! + i)));
}

/** The blocks of `a` that `b` has otherwise. */
function differing(a: string, b: string): number[] {
  const fds = [a, b].map((file) => openSync(file, "r"));
  const [left, right] = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)];
  const found: number[] = [];
  for (let at = 0, n = 0; (n = readSync(fds[0]!, left, 0, left.length, at)) > 0; at += n) {
    readSync(fds[1]!, right, 0, right.length, at);
    if (left.compare(right, 0, n, 0, n) === 0) continue;
    for (let i = 0; i < n; i += 4096) if (left.compare(right, i, i + 4096, i, i + 4096) !== 0) found.push((at + i) / 4096);
  }
  fds.forEach(closeSync);
  return found;
}

test.skipIf(programs.skip || mounts.skip)("a device that held something else is written, read back, and refused when it is in use", async () => {
  const backing = join(parent, "device");
  // As it is where something else was before.
  execFileSync("sh", ["-c", 'head -c 1000M /dev/zero | tr "\\000" "\\377" > "$0"; truncate -s 2G "$0"', backing]);
  let loop = attach(backing);
  const at = join(parent, "device-mounted");
  try {
    const to = (...more: string[]) => debcast(["disk", "-C", p.dir, "-q", "--device", loop, ...more]);
    expect((await to()).stderr.replaceAll(loop, "LOOP")).toMatchInlineSnapshot(`
      "error: LOOP (no model, 2.1 GB, serial unknown) becomes \`base\` and loses what is on it, and there is nobody to ask whether that is meant

      hint: add --yes
      "
    `);
    const r = await to("--yes");
    expect(r.status).toBe(0);
    const [esp, root] = partitions(disk("base.img")) as [Part, Part];
    using fat = part(backing, esp);
    using ext4 = part(backing, root);
    using made = part(disk("base.img"), esp);
    check(["fsck.vfat", "-n", fat.path]);
    const files = filesOf(made.path);
    expect(files.filter((f) => /\/(BOOTX64\.EFI|linux|initrd)$/.test(f)).length).toBe(3);
    expect(filesOf(fat.path)).toEqual(files);
    check(["e2fsck", "-fn", ext4.path]);
    const free = freeBlocks(ext4.path);
    const outside = (block: number) => block < esp.start / 4096 || block >= (root.start + root.size) / 4096;
    const used = differing(disk("base.img"), backing).filter((block) => outside(block) || (block >= root.start / 4096 && !free.has(block - root.start / 4096)));
    expect(used).toEqual([]);
    const seen = await deviceFor(loop, 1e6);
    await expect(writeDevice(disk("base.img"), { ranges: [], bytes: 1e6 }, { ...seen, serial: "17" }, () => {})).rejects.toThrow(`\`${loop}\` is another disk than before: it was no model, 2.1 GB, serial 17, and is no model, 2.1 GB, serial unknown; nothing was written`);
    execFileSync("mkfs.ext4", ["-q", "-F", loop], { env: withSbin });
    mkdirSync(at, { recursive: true });
    execFileSync("mount", [loop, at]);
    expect((await to("--yes")).stderr.replaceAll(loop, "LOOP").replaceAll(at, "DIR")).toMatchInlineSnapshot(`
      "error: \`LOOP\` (no model, 2.1 GB, serial unknown) is not written to: it is in use: DIR

      hint: umount DIR
      "
    `);
    execFileSync("umount", [at]);
    execFileSync("losetup", ["-d", loop], { env: withSbin });
    loop = attach(backing, "--sector-size", "4096");
    expect((await to("--yes")).stderr.replaceAll(loop, "LOOP")).toMatchInlineSnapshot(`
      "error: \`LOOP\` (no model, 2.1 GB, serial unknown) is not written to: its sectors have 4096 bytes, and the image is made for 512

      hint: take another disk; some NVMe disks can be set to 512: nvme format --lbaf=…
      "
    `);
    execFileSync("losetup", ["-d", loop], { env: withSbin });
    loop = attach(backing);
    execFileSync("truncate", ["-s", "100M", backing]);
    execFileSync("losetup", ["-c", loop], { env: withSbin });
    // How large it is changes with Debian's packages.
    expect((await to("--yes")).stderr.replaceAll(loop, "LOOP").replace(/needs \d+ MB/, "needs SIZE")).toMatchInlineSnapshot(`
      "error: \`LOOP\` (no model, 105 MB, serial unknown) is not written to: it has 105 MB, and the image needs SIZE
      "
    `);
  } finally {
    spawnSync("umount", [at], { stdio: "ignore" });
    execFileSync("losetup", ["-d", loop], { env: withSbin });
  }
});

test.skipIf(programs.skip)("mistakes", async () => {
  using q = project({
    "conf/none.ts": `import { defineImage } from "debcast";\nexport default defineImage({ suite: "trixie", arch: "amd64", hostname: "none", scriptlets: [] });\n`,
  }, { parent });
  const said = async (args: string[]) => (await debcast([...args, "-C", q.dir, "-c", "none"])).stderr.replace(/^(load|lock|check) .*\n/gm, "").replaceAll(q.dir, "DIR");
  expect(await said(["disk"])).toMatchInlineSnapshot(`
    "error: \`none\` has not been built

    hint: debcast image -C DIR -c none
    "
  `);
  await debcastOk(["image", "-C", q.dir, "-c", "none"]);
  expect(await said(["disk", "-q"])).toMatchInlineSnapshot(`
    "error: \`none\` lacks the scriptlet \`disk\`, which makes it start from one

    hint: scriptlets: ["disk", …],
    "
  `);
  if (mounts.skip) return;
  chownSync(join(q.dir, "image/none"), 1234, 1234);
  expect((await said(["disk", "-q"])).replace(/`\S*image\/none`/, "`image/none`")).toMatchInlineSnapshot(`
    "error: \`image/none\` was built by a user (uid 1234), and its owners are right for whoever built it

    hint: make it as that user, without sudo; a disk that was made so is written by
          sudo dd if=out/NAME.img of=/dev/sdX bs=4M conv=fsync   # or bmaptool copy
    "
  `);
});
