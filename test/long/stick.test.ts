// A restore stick at work, in QEMU: blank disks and old ones, unattended and by keys, its plug pulled, and everything that it refuses.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { sleep, startMachine, type Machine } from "../../lib/vm/machine.ts";
import { accelerator } from "../../lib/vm/qemu.ts";
import { debcast, debcastOk, normalUser, ownDownloads, skipUnless } from "../real/debcast.ts";
import { devicesConf } from "../real/loopback.ts";
import { boot, failures, noMachines, planIn } from "../real/machines.ts";
import { sshAnswers } from "../real/pushing.ts";
import { randomFrom } from "../real/random.ts";
import { partitions, replaceSummed, restoreOf, sha256, smallSystem, stickProject, type Restore } from "../real/sticks.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: starting sticks: ${reason}\n`);

const seed = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));
const parent = join(engineRoot, "out/stick-long");
const confs = { small: smallSystem(), parts: smallSystem({ disk: '{ root: { mode: "overlay", size: "fit+32M" }, data: { size: "rest", mount: "/data" } }' }) };
let p: Awaited<ReturnType<typeof stickProject>>;

beforeAll(async () => {
  mkdirSync(parent, { recursive: true });
  p = await stickProject(confs, { parent });
  for (const conf of Object.keys(confs)) await debcastOk(["stick", "-C", p.dir, "-c", conf]);
}, 1_200_000);
afterAll(() => rmSync(parent, { recursive: true, force: true }));

// ── Sticks, disks, machines ────────────────────────────────────────────────────────────────────────────────────────

/** A stick of a test's own, and what lies on its RESTORE. */
function stickOf(conf: keyof typeof confs, restoreConf: string): { file: string; restore: Restore } {
  const file = join(parent, `${conf}.stick.img`);
  copyFileSync(join(p.dir, "out", `${conf}.stick.img`), file);
  const restore = restoreOf(file, parent);
  restore.write("restore.conf", restoreConf);
  return { file, restore };
}

const unattended = "disk = only\nconfirm = no\n";

let disks = 0;
function blank(bytes = 4e9): string {
  const file = join(parent, `disk${disks++}.img`);
  writeFileSync(file, "");
  truncateSync(file, bytes);
  return file;
}

/** What somebody used before: other partitions, with traces of LVM, RAID, swap and ext4 in them, and the names that our own have. */
function used(): string {
  const file = blank();
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const table = ["label: gpt", ..."esp root-a persist log RESTORE data".split(" ").map((name) => `size=300MiB, name="${name}"`)].join("\n");
  execFileSync("sfdisk", ["--quiet", file], { input: table, env });
  const parts = partitions(file);
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-L", "old", "-E", `offset=${parts[1]!.start}`, file, "300M"], { env });
  const fd = openSync(file, "r+");
  const put = (text: Buffer | string, at: number) => void writeSync(fd, Buffer.from(text as string), 0, text.length, at);
  put("SWAPSPACE2", parts[2]!.start + 4086);
  put("LABELONE\x01\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001", parts[3]!.start + 512);
  // The superblock of md lies near the end, as a copy of the table does.
  put(Buffer.from([0xfc, 0x4e, 0x2b, 0xa9, 0, 0, 0, 0, 90, 0, 0, 0]), 4e9 - (4e9 % 65536) - 65536);
  put(Buffer.from([0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0]), parts[5]!.start + 4096);
  closeSync(fd);
  return file;
}

interface Started extends AsyncDisposable {
  readonly machine: Machine;
  /** Waits until it is on the console; all that was said before is `before`. */
  says(what: RegExp, seconds?: number): Promise<string>;
  screen(): string;
}

async function start(stick: string, targets: readonly string[], o: { usb?: boolean; more?: readonly string[] } = {}): Promise<Started> {
  const accel = await accelerator(() => {});
  const machine = await startMachine({ disk: stick, stick: o.usb === true, keep: true, memory: 1024, cpus: 2, disks: targets, usb: [], display: false, accel, ...(o.more && { more: o.more }) });
  // Without colours, and the bar's last state only.
  const screen = () => machine.console().replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/\r\n/g, "\n").replace(/[^\n]*\r(?!\n)/g, "");
  const says = async (what: RegExp, seconds = 1800) => {
    for (const end = performance.now() + seconds * 1000; !what.test(screen()); await sleep(200)) {
      if (performance.now() > end) throw new Error(`the stick does not say ${String(what)} within ${seconds} s:\n${screen().slice(-3000)}`);
    }
    return screen();
  };
  return { machine, says, screen, [Symbol.asyncDispose]: () => machine.kill() };
}

const done = /DONE: |FAILED: /;

/** Restores and returns what was said. */
async function restored(stick: string, target: string, o: Parameters<typeof start>[2] = {}): Promise<string> {
  await using s = await start(stick, [target], o);
  const said = await s.says(done);
  expect(said).toContain("DONE: /dev/vd");
  return said;
}

/** What has to be true of every disk that was restored. */
async function starts(disk: string, conf: keyof typeof confs, look: string): Promise<string> {
  await using m = await boot(disk, { keep: true });
  expect(await failures(m.machine, await planIn(p.dir, conf))).toEqual({});
  return await m.ask(look);
}

/** Whether firmware finds something on it to start. */
function hasLoader(disk: string): boolean {
  const found = spawnSync("mtype", ["-i", `${disk}@@1M`, "::EFI/BOOT/BOOTX64.EFI"], { env: { ...process.env, MTOOLS_SKIP_CHECK: "1", MTOOLSRC: "/dev/null" }, maxBuffer: 1 << 24 });
  return found.status === 0 && found.stdout.length > 0;
}

// ── Restored ───────────────────────────────────────────────────────────────────────────────────────────────────────

describe.skipIf(reason)("restored", () => {
  test("a blank disk, unattended, from a USB stick, with values of this device", async () => {
    const { file } = stickOf("small", `${unattended}[mac 52-54-00-12-34-56]\nhostname = gw-017\naddress = 192.0.2.17/24\ngateway = 192.0.2.1\n[board other]\nhostname = other\n`);
    const before = sha256(file);
    const target = blank();
    const said = await restored(file, target, { usb: true });
    expect(hasLoader(target)).toBe(true);
    for (const line of ["`small`", "hostname = gw-017", "Checking   [####################################] 100 %", "Unpacking  [####################################] 100 %", "Verifying  [####################################] 100 %"]) expect(said).toContain(line);
    expect(said).not.toMatch(/\/dev\/sd/);
    const is = await starts(target, "small", "hostname; cat /etc/hosts /etc/systemd/network/05-device.network /var/lib/debcast/mark; df --output=size -B1 / | tail -n 1");
    expect(is).toMatch(/^gw-017\n/);
    expect(is).toContain("127.0.1.1 gw-017\n");
    expect(is).toContain("[Network]\nAddress=192.0.2.17/24\nGateway=192.0.2.1\n");
    expect(is).not.toContain("@");
    expect(is).toMatch(/^image=[0-9a-f]+\nconf=small$/m);
    // It has grown to the disk.
    expect(Number(is.split("\n").at(-1))).toBeGreaterThan(3e9);
    expect(sha256(file)).toBe(before);
  });

  test("an old disk, by keys on the serial console; the wrong answer writes nothing", async () => {
    const { file } = stickOf("small", "");
    const [other, target] = [blank(1e9), used()];
    const before = sha256(target);
    const otherBefore = sha256(other);
    {
      await using s = await start(file, [other, target]);
      await s.says(/Enter alone looks again:/);
      expect(s.screen()).toMatch(/1\) \/dev\/vd. {2}1\.0GB .*serial disk1\n.*nothing that is known\n.*2\) \/dev\/vd. {2}4\.0GB .*serial disk2\n.*ext4 root-a old/);
      s.machine.type("\r");
      await s.says(/(Enter alone looks again:[^]*){2}/);
      s.machine.type("2\r");
      await s.says(/Type `yes`/);
      s.machine.type("2\r");
      await s.says(/FAILED: nothing was written/);
      expect(sha256(target)).toBe(before);
      s.machine.type("\r");
      await s.says(/FAILED[^]*Enter alone looks again:/);
      s.machine.type("2\r");
      await s.says(/FAILED[^]*Type `yes`/);
      s.machine.type("yes\r");
      await s.says(/DONE: /);
    }
    expect(sha256(other)).toBe(otherBefore);
    expect(partitions(target).map((q) => q.name)).toEqual(["esp", "root-a"]);
    await starts(target, "small", "true");
  });

  test("a / in RAM with all its partitions: they are those of `debcast disk`, and the last one has grown", async () => {
    const { file } = stickOf("parts", `disk = serial:disk1\nconfirm = no\n`);
    const target = used();
    await restored(file, target);
    await debcastOk(["disk", "-C", p.dir, "-c", "parts", "-q"]);
    const [ours, theirs] = [partitions(target), partitions(join(p.dir, "out/parts.img"))];
    expect(ours.slice(0, -1)).toEqual(theirs.slice(0, -1));
    expect({ ...ours.at(-1), size: 0 }).toEqual({ ...theirs.at(-1), size: 0 });
    expect(ours.map((q) => q.name)).toEqual(["esp", "root-a", "persist", "log", "data"]);
    const ids = (disk: string) => partitions(disk).map((q) => execFileSync("blkid", ["--probe", "--offset", String(q.start), "--size", String(q.size), "-o", "export", disk], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } }).toString().split("\n").filter((l) => /^(LABEL|UUID|TYPE)=/.test(l)));
    expect(ids(target)).toEqual(ids(join(p.dir, "out/parts.img")));
    const size = await starts(target, "parts", "df --output=size -B1 /data | tail -n 1; cat /persist/etc/machine-id");
    expect(Number(size.split("\n")[0])).toBeGreaterThan(2.5e9);
  });
});

// ── Over the net ───────────────────────────────────────────────────────────────────────────────────────────────────

test.skipIf(reason)("a stick that has started is given another image over the net, but not while it writes; its settings stay", async () => {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(parent, "key")]);
  const user = `{ name: "me", groups: ["sudo"], password: "locked", sshKeys: [${JSON.stringify(readFileSync(join(parent, "key.pub"), "utf8").trim())}] }`;
  const stickConf = readFileSync(join(engineRoot, "conf/stick.ts"), "utf8").replace('"restore", "rm"],', `"restore", "network", "ssh", "push", "rm"],\n  options: { ssh: { allow: ["me"] } },\n  users: [${user}],`);
  using q = await stickProject({ small: confs.small, other: confs.small.replace('hostname: "small"', 'hostname: "other"') }, { parent, files: { "conf/stick.ts": stickConf } });
  await debcastOk(["stick", "-C", q.dir, "-c", "small"]);
  const file = join(q.dir, "out/small.stick.img");
  const restore = restoreOf(file, parent);
  const settings = `${restore.read("restore.conf").toString()}\n# Mine.\n`;
  restore.write("restore.conf", settings);
  const target = blank();
  {
    await using s = await start(file, [target]);
    const ssh = [`IdentityFile=${join(parent, "key")}`, "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
    writeFileSync(join(q.dir, "conf/devices.ts"), devicesConf([`dev: { host: "me@127.0.0.1", port: ${s.machine.sshPort}, ssh: ${JSON.stringify(ssh)} },`]));
    await s.says(/`small`[^]*Enter alone looks again:/);
    await sshAnswers(s.machine.sshPort);
    const sent = JSON.parse((await debcastOk(["stick", "--to", "dev", "-C", q.dir, "-c", "other", "--json"])).stdout) as { bytes: number; settings: string };
    expect(sent).toMatchObject({ device: "dev", image: "other", settings: "kept" });
    process.stderr.write(`${sent.bytes} bytes sent to the stick\n`);
    await s.says(/`other`[^]*Enter alone looks again:/);
    s.machine.type("1\r");
    await s.says(/`other`[^]*Type `yes`/);
    s.machine.type("yes\r");
    await s.says(/Partitions and file systems/);
    const refused = await debcast(["stick", "--to", "dev", "-C", q.dir, "-c", "small"]);
    expect([refused.status, refused.stderr.slice(refused.stderr.indexOf("error: "))]).toMatchInlineSnapshot(`
      [
        3,
        "error: the stick in \`dev\` takes nothing: it is writing a disk right now

      hint: its screen says what it does
      ",
      ]
    `);
    await s.says(/DONE: /);
  }
  expect(restore.list()).toContain("other.tar.zst");
  expect(restore.list()).not.toContain("small.tar.zst");
  expect(restore.read("restore.conf").toString()).toBe(settings);
  await using m = await boot(target, { keep: true });
  expect(await m.ask("hostname")).toBe("other");
});

// ── Its plug pulled ────────────────────────────────────────────────────────────────────────────────────────────────

const cuts = Number(process.env.DEBCAST_TEST_CUTS ?? 10);

test.skipIf(reason)(`ended at ${cuts} random moments and started again, seed ${seed}`, async () => {
  const random = randomFrom(seed);
  const { file } = stickOf("small", `${unattended}`);
  const target = used();
  // How long a whole one takes here, from the moment when it begins to check.
  let whole = 0;
  {
    await using s = await start(file, [blank()]);
    await s.says(/To be written:/);
    const begun = performance.now();
    await s.says(/DONE: /);
    whole = performance.now() - begun;
  }
  const stages: string[] = [];
  for (let cut = 1; cut <= cuts; cut++) {
    await using s = await start(file, [target]);
    await s.says(/To be written:/);
    await sleep(random() * whole);
    const screen = s.screen();
    await s.machine.kill();
    expect(screen).not.toContain("FAILED");
    const stage = /DONE|Kernel and boot|Verifying|Unpacking|Partitions|Checking/.exec(screen.split("\n").reverse().join("\n"))?.[0] ?? "beginning";
    stages.push(stage);
    // Nothing on it is to be started before all of it is there.
    expect(hasLoader(target) && !/DONE|Kernel/.test(stage), stage).toBe(false);
  }
  process.stderr.write(`ended while: ${stages.join(", ")}; a whole restore takes ${(whole / 1000).toFixed(0)} s\n`);
  await restored(file, target);
  await starts(target, "small", "true");
});

// ── Refused ────────────────────────────────────────────────────────────────────────────────────────────────────────

describe.skipIf(reason)("refused, with what is wrong and what to do", () => {
  // The emulated serial port now and then sends a character twice.
  const squeezed = (text: string) => text.replace(/(.)\1+/g, "$1");
  const says = (said: string, expected: string) => expect(squeezed(said)).toBe(squeezed(expected));

  /** What the stick says at the end of its try number `n`, without frame and indentation. */
  async function refusal(s: Started, n: number): Promise<string> {
    await s.says(new RegExp(`(Enter starts again\\.[^]*){${n}}`));
    const said = s.screen().split("Enter starts again.")[n - 1]!;
    const box = said.slice(said.lastIndexOf("FAILED: ")).split("\n====")[0]!;
    return box.split("\n").map((l) => l.trim()).filter((l) => l !== "").join("\n").replace(/\/dev\/vd./g, "/dev/vdX").replace(/[0-9a-f]{64}/g, (sum) => (/^0*$/.test(sum) ? "ZEROS" : "SUM"));
  }

  // The stick is not mounted while it waits, so that it can be edited in place.
  test("what is wrong with the stick, the disk as it was; then it is mended, and the same try goes on to its end", async () => {
    const { file, restore } = stickOf("small", unattended);
    const target = used();
    const before = sha256(target);
    const good = new Map(["small.tar.zst", "layout", "manifest", "SHA256SUMS"].map((name) => [name, Buffer.from(restore.read(name))]));
    const mend = () => good.forEach((content, name) => restore.write(name, content));
    const wrong = Buffer.from(good.get("small.tar.zst")!);
    wrong[wrong.length >> 1]! ^= 1;
    restore.write("small.tar.zst", wrong);
    await using s = await start(file, [target], { more: ["-smbios", "type=1,serial=SN-1"] });
    let n = 1;
    const next = async () => {
      s.machine.type("\r");
      return refusal(s, ++n);
    };
    says(await refusal(s, n), `FAILED: the tarball \`small.tar.zst\` is corrupted
Its SHA-256 is   SUM,
and ought to be  SUM.
Nothing was written. Copy the tarball onto the stick once more, or take another stick.`);
    restore.remove("small.tar.zst");
    says(await next(), `FAILED: there is no tarball \`small.tar.zst\` on the stick
Copy it onto the partition RESTORE, with the files that belong to it.`);
    mend();
    restore.write("layout", String(good.get("layout")).replace("bytes ", "bytes 1"));
    says(await next(), `FAILED: files of the stick are not what they were when it was made
layout: FAILED
sha256sum: WARNING: 1 computed checksum did NOT match
Copy the files onto the stick once more, or take another stick.`);
    mend();
    restore.write("restore.conf", "disk = only\nconfirm = perhaps\n[mac 1]\n");
    says(await next(), `FAILED: restore.conf has a mistake
restore.conf, line 2: \`confirm\` is \`perhaps\`; expected yes or no
restore.conf, line 3: \`1\` is no MAC address
Mend it on any PC: it lies on the partition RESTORE of this stick.`);
    restore.write("restore.conf", `${unattended}[board SN-2]\nhostname = gw-2\n`);
    says(await next(), `FAILED: restore.conf says nothing of this device
Its network cards:  52:54:00:12:34:56
Its serial numbers: SN-1
Add a [mac ...] or [board ...] with its values, or say \`others = yes\`.`);
    restore.write("restore.conf", "disk = serial:none\nconfirm = no\n");
    says(await next(), `FAILED: this machine has no disk \`serial:none\`, which restore.conf names
It has:
/dev/vdX  4.0GB  no model  serial disk1`);
    expect(sha256(target)).toBe(before);

    restore.write("restore.conf", `${unattended}[board SN-1]\nhostname = gw-1\n`);
    replaceSummed(restore, "manifest", String(good.get("manifest")).replace(/^sum [0-9a-f]{64} (\.\/etc\/debian_version)$/m, `sum ${"0".repeat(64)} $1`).replace(/^node f 644 (.*\.\/etc\/hostname)$/m, "node f 600 $1"));
    says(await next(), `FAILED: files on the disk are not what was written to them
expected: node f 600 0:0 6 ./etc/hostname
found:    node f 644 0:0 6 ./etc/hostname
expected: sum ZEROS ./etc/debian_version
found:    sum SUM ./etc/debian_version
The device does not start now. Try again.`);
    expect(hasLoader(target)).toBe(false);
    mend();
    s.machine.type("\r");
    expect(await s.says(/DONE: /)).toContain("hostname = gw-1");
    expect(hasLoader(target)).toBe(true);
  });

  test("disks: too small, several, one that fails while it is written", async () => {
    const { file, restore } = stickOf("small", "disk = serial:disk1\nconfirm = no\n");
    const [small, faulty] = [blank(200e6), blank()];
    const rules = join(parent, "rules");
    // In the midst of the root.
    const bad = Math.floor((300e6 + 150e6) / 512);
    writeFileSync(rules, Array.from({ length: 64 }, (_, i) => `[inject-error]\nevent = "write_aio"\nerrno = "5"\nsector = "${bad + i * 128}"\n`).join("\n"));
    const drive = `driver=raw,node-name=faulty,file.driver=blkdebug,file.config=${rules},file.image.driver=file,file.image.filename=${faulty}`;
    await using s = await start(file, [small], { more: ["-blockdev", drive, "-device", "virtio-blk-pci,drive=faulty,serial=faulty"] });
    const before = sha256(small);
    says((await refusal(s, 1)).replace(/needs \d+ \(\S+\)/, "needs N"), `FAILED: the disk is too small
/dev/vdX  200.0MB  no model  serial disk1
It has 200000000 bytes (200.0MB), and \`small\` needs N.
Nothing was written. Take a larger disk.`);
    restore.write("restore.conf", unattended);
    s.machine.type("\r");
    says(await refusal(s, 2), `FAILED: restore.conf says \`disk = only\`, and this machine has several such disks:
/dev/vdX  200.0MB  no model  serial disk1
/dev/vdX  4.0GB  no model  serial faulty
Name one by serial:...`);
    expect(sha256(small)).toBe(before);
    restore.write("restore.conf", "disk = serial:faulty\nconfirm = no\n");
    s.machine.type("\r");
    const said = await refusal(s, 3);
    expect(said).toMatch(/^FAILED: the disk fails: /);
    expect(said).toMatch(/I\/O error(, dev| on device) vd/);
    expect(said).toContain("The device does not start now. Try again, and take another disk if it fails again.");
    expect(hasLoader(faulty)).toBe(false);
  });

  test("no disk", async () => {
    await using s = await start(stickOf("small", unattended).file, []);
    says(await refusal(s, 1), `FAILED: this machine has no disk beside the stick
Look at its cable, and at the firmware's settings (SATA, NVMe, RAID).`);
  });
});

// ── Of a normal user ───────────────────────────────────────────────────────────────────────────────────────────────

const user = normalUser();
const other = skipUnless("name" in user, "skip" in user ? user.skip : "");

test.skipIf(other.skip)("a normal user makes the same bytes", async () => {
  const { name } = user as { name: string };
  const lock = (conf: string) => readFileSync(join(p.dir, `conf/${conf}.lock`), "utf8");
  using q = await stickProject({ small: confs.small }, { owner: name, files: { "conf/small.lock": lock("small"), "conf/stick.lock": lock("stick") } });
  const downloads = ownDownloads(join(q.dir, "downloads"), ["small", "stick"].map((conf) => join(q.dir, `conf/${conf}.lock`)), { owner: name });
  await debcastOk(["stick", "-C", q.dir, "-c", "small", "--locked"], { user: name, downloads });
  expect(sha256(join(q.dir, "out/small.stick.img"))).toBe(sha256(join(p.dir, "out/small.stick.img")));
  await debcastOk(["clean", "-C", q.dir], { user: name, downloads });
});
