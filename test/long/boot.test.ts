// What a device lives through: a disk written as it is, a kernel from apt, a broken /var/log, and its plug pulled, many times.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, constants, mkdirSync, openSync, closeSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { sleep } from "../../lib/vm/machine.ts";
import { debcastOk, sharedDownloads, type project } from "../real/debcast.ts";
import { boot, confOf, diskIn, machineProject, noMachines, type Booted } from "../real/machines.ts";
import { randomFrom } from "../real/random.ts";

const reason = noMachines();
if (reason) process.stderr.write(`skipped: starting images: ${reason}\n`);

const seed = Number(process.env.DEBCAST_TEST_SEED ?? Math.floor(Math.random() * 1e9));
const parent = join(engineRoot, "out/boot-long");
let p: ReturnType<typeof project>;

const hanging = `import { run } from "debcast";
run(({ write }) => {
  write("/usr/local/sbin/e2fsck", "#!/bin/sh\\n[ -e /persist/hang ] && exec sleep 1000\\nexec /usr/sbin/e2fsck \\"$@\\"\\n", { mode: 0o755 });
});
`;

beforeAll(async () => {
  if (reason) return;
  mkdirSync(parent, { recursive: true });
  p = await machineProject({ overlay: confOf({ disk: '{ root: { mode: "overlay" } }' }), hanging: confOf({ disk: '{ root: { mode: "overlay" } }', scriptlets: ["hanging"] }) }, { parent, files: { "base/hanging.ts": hanging } });
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

/** A disk of its own for one test, written as it is onto a larger one. */
async function copyOf(conf: string, bytes?: number): Promise<string> {
  const file = join(parent, `${conf}.${Math.floor(Math.random() * 1e9)}.img`);
  copyFileSync(await diskIn(p.dir, conf), file, constants.COPYFILE_FICLONE);
  if (bytes !== undefined) truncateSync(file, bytes);
  return file;
}

/** Turns it off as it should be. */
async function shutDown(m: Booted): Promise<void> {
  await m.machine.agent.ask("systemctl --no-block poweroff");
  await Promise.race([m.machine.ended, sleep(120_000)]);
}

const state = "systemctl is-system-running --wait || true";

describe.skipIf(reason)("a disk of 20 GB", () => {
  test("is used whole, and a second boot changes only what has to change; a kernel from apt is the next to start", async () => {
    const disk = await copyOf("base", 20e9);
    const look = "cat /etc/machine-id; cat /etc/ssh/ssh_host_*_key.pub; systemctl list-unit-files --no-legend --plain | sort; find /etc -xdev -type f -printf '%p %s %T@\\n' | sort";
    let first = "";
    {
      await using m = await boot(disk, { keep: true });
      expect(await m.ask(state)).toBe("running");
      expect(Number(await m.ask("df --output=size -B1 / | tail -n 1"))).toBeGreaterThan(18e9);
      expect(await m.ask("systemctl is-enabled apt-daily.timer || true")).toBe("disabled");
      first = await m.ask(look);
      await shutDown(m);
    }
    {
      await using m = await boot(disk, { keep: true });
      expect(await m.ask(state)).toBe("running");
      expect(await m.ask(look)).toBe(first);
      expect(await m.ask("timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; head -c 4 <&3'")).toBe("SSH-");
      await shutDown(m);
    }
    const kernel = await otherKernel();
    {
      await using m = await boot(disk, { keep: true, disks: [kernel.deb] });
      await m.ask(`head -c ${statSync(kernel.deb).size} /dev/vdb > /tmp/kernel.deb; apt-get install --yes /tmp/kernel.deb`);
      await shutDown(m);
    }
    await using m = await boot(disk, { keep: true });
    expect(await m.ask(state)).toBe("running");
    expect(await m.ask("uname -r")).toBe(kernel.version);
    expect(await m.ask("cat /proc/cmdline")).toContain("root=PARTLABEL=root-a");
  });
});

/** Debian's kernel for clouds: of the same archive, and later in the order of versions than the one in the image. */
async function otherKernel(): Promise<{ version: string; deb: string }> {
  const own = /^Package: linux-image-(\S+)-amd64$/m.exec(readFileSync(join(p.dir, "conf/base.lock"), "utf8"))![1]!;
  const version = `${own}-cloud-amd64`;
  writeFileSync(join(p.dir, "base/cloud-kernel.ts"), `import { installDeb, need } from "debcast";\nneed("kernel");\ninstallDeb("linux-image-${version}");\n`);
  writeFileSync(join(p.dir, "conf/cloud.ts"), confOf({ scriptlets: ["cloud-kernel"] }));
  copyFileSync(join(p.dir, "conf/base.lock"), join(p.dir, "conf/cloud.lock"));
  await debcastOk(["fetch", "-C", p.dir, "-c", "cloud", "-q"]);
  const pool = new RegExp(`^Filename: (\\S*linux-image-${version.replaceAll("+", "\\+")}_\\S+)$`, "m").exec(readFileSync(join(p.dir, "conf/cloud.lock"), "utf8"))![1]!;
  return { version, deb: join(sharedDownloads, "deb.trixie.amd64", basename(pool)) };
}

const withSbin = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Where the partition of that name lies, in bytes. */
function partition(disk: string, name: string): { start: number; size: number } {
  const table = JSON.parse(execFileSync("sfdisk", ["--json", disk], { env: withSbin }).toString()) as { partitiontable: { partitions: { name: string; start: number; size: number }[] } };
  const found = table.partitiontable.partitions.find((q) => q.name === name)!;
  return { start: found.start * 512, size: found.size * 512 };
}

function garbage(disk: string, from: number, bytes: number): void {
  const random = randomFrom(seed + from);
  const fd = openSync(disk, "r+");
  writeSync(fd, Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256))), 0, bytes, from);
  closeSync(fd);
}

describe.skipIf(reason)(`/var/log, seed ${seed}`, () => {
  /** A disk that has been used: with a log in it, and its power cut. */
  async function used(conf = "overlay"): Promise<{ disk: string; start: number }> {
    const disk = await copyOf(conf);
    await using m = await boot(disk, { keep: true });
    expect(await m.ask(state)).toBe("running");
    await m.ask("for i in 1 2 3; do mkdir -p /var/log/d$i; for j in $(seq 200); do echo kept > /var/log/d$i/f$j; done; done; echo kept > /var/log/mine; sync");
    // The journal is dirty now.
    await m.ask("for i in $(seq 200); do echo more >> /var/log/after; done");
    return { disk, start: partition(disk, "log").start };
  }

  /** What has to become of it: made anew only where e2fsck, asked here about a copy, cannot mend it. */
  function due(disk: string): { kept: boolean; wipes: number } {
    const { start, size } = partition(disk, "log");
    const copy = `${disk}.log`;
    execFileSync("dd", [`if=${disk}`, `of=${copy}`, "bs=1M", `skip=${start >> 20}`, `count=${size >> 20}`, "conv=sparse", "status=none"]);
    const { status } = spawnSync("e2fsck", ["-pf", copy], { stdio: "ignore", env: withSbin });
    return status !== null && status < 4 ? { kept: true, wipes: 0 } : { kept: false, wipes: 1 };
  }

  async function comesUp(disk: string): Promise<{ kept: boolean; wipes: number }> {
    await using m = await boot(disk, { keep: true });
    expect(await m.ask(state)).toBe("running");
    expect(await m.ask("findmnt -no SOURCE,FSTYPE /var/log")).toMatch(/^\/dev\/vda4 +ext4$/);
    return { kept: (await m.ask("cat /var/log/mine 2>/dev/null || true")) === "kept", wipes: Number(await m.ask("cat /persist/log-wipes 2>/dev/null || echo 0")) };
  }

  test("a dirty journal: the logs are kept", async () => {
    const { disk } = await used();
    expect(await comesUp(disk)).toEqual({ kept: true, wipes: 0 });
  });

  test("garbage in the superblock", async () => {
    const { disk, start } = await used();
    garbage(disk, start, 4096);
    const expected = due(disk);
    expect(await comesUp(disk)).toEqual(expected);
  });

  test("garbage in the inode table", async () => {
    const { disk, start } = await used();
    const dump = execFileSync("dumpe2fs", [`${disk}?offset=${start}`], { stdio: ["ignore", "pipe", "ignore"], env: withSbin }).toString();
    garbage(disk, start + Number(/Inode table at (\d+)/.exec(dump)![1]) * 4096, 16384);
    const expected = due(disk);
    expect(await comesUp(disk)).toEqual(expected);
  });

  test("garbage in a directory", async () => {
    const { disk, start } = await used();
    const blocks = execFileSync("debugfs", ["-R", "blocks d1", `${disk}?offset=${start}`], { stdio: ["ignore", "pipe", "ignore"], env: withSbin }).toString();
    garbage(disk, start + Number(blocks.trim().split(/\s+/)[0]) * 4096, 4096);
    const expected = due(disk);
    expect(await comesUp(disk)).toEqual(expected);
  });

  test("all of it garbage: it is made anew, and counted", async () => {
    const { disk, start } = await used();
    for (let at = 0; at < 128; at += 4) garbage(disk, start + at * (1 << 20), 65536);
    expect(await comesUp(disk)).toEqual({ kept: false, wipes: 1 });
  });

  test("a check that hangs: it is made anew", async () => {
    const { disk } = await used("hanging");
    {
      await using m = await boot(disk, { keep: true });
      await m.ask("mount -o remount,rw /persist; touch /persist/hang; sync; mount -o remount,ro /persist");
    }
    expect(await comesUp(disk)).toEqual({ kept: false, wipes: 1 });
  });
});

const cuts = Number(process.env.DEBCAST_TEST_CUTS ?? 50);

test.skipIf(reason)(`${cuts} power cuts while it writes, seed ${seed}`, async () => {
  const random = randomFrom(seed);
  const disk = await copyOf("overlay");
  const lasts = "findmnt -no SOURCE /persist; findmnt -no SOURCE /var/log; cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; tail -n 1 /etc/saved";
  let [up, wipes, first] = [0, 0, ""];
  // One start before the first cut, and one after each.
  for (let cut = 0; cut <= cuts; cut++) {
    await using m = await boot(disk, { keep: true });
    const now = await m.ask(state);
    wipes = Number(await m.ask("cat /persist/log-wipes 2>/dev/null || echo 0"));
    if (cut === 0) await m.ask("yes saved | head -n 20000 > /etc/saved; persist save /etc/saved");
    const kept = await m.ask(lasts);
    if (cut === 0) first = kept;
    else if (now === "running" && kept === first) up++;
    else process.stderr.write(`cut ${cut}: ${now}: ${await m.ask("systemctl --failed --no-legend --plain || true")}\n${kept}\n`);
    await m.ask("(while :; do dd if=/dev/urandom of=/var/log/w.$((i = (${i:-0} + 1) % 20)) bs=64k count=20 conv=fsync 2>/dev/null; cp /var/log/w.* /tmp/ 2>/dev/null; done) >/dev/null 2>&1 &");
    await m.ask("(while :; do persist save /etc/saved; done) > /dev/null 2>&1 &");
    await sleep(random() * 4000);
  }
  process.stderr.write(`${up} of ${cuts} came up running, with what they had saved; /var/log was made anew ${wipes} times\n`);
  expect(up).toBe(cuts);
});
