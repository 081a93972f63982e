// The long counts of `debcast push`: random edits one upon the other, pushes ended at random moments, and ways of failing. The devices
// are trees of images with the image's own sshd, on loopback; what needs systemd is in test/real/push.test.ts.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { debcast, debcastOk, isRoot, skipUnless } from "../real/debcast.ts";
import { editedProject } from "../real/edits.ts";
import { differing } from "../real/facts.ts";
import { devicesConf, loopback } from "../real/loopback.ts";
import { bench, cable, startPush, whileSendersWait, type Bench } from "../real/pushing.ts";
import { randomFrom } from "../real/random.ts";

const lacking = ["rsync", "ssh", "getfattr"].filter((name) => spawnSync("which", [name]).status !== 0);
const runs = skipUnless(isRoot && lacking.length === 0, `pushes to devices on loopback: ${isRoot ? `not installed: ${lacking.join(", ")}` : "needs root"}`);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

test("after each of 30 random edits the device is what a fresh image is", runs, async () => {
  process.stdout.write(`seed ${seed}\n`);
  using p = editedProject(["host", "ssh", "push"], randomFrom(seed));
  await debcastOk(["image", "-q", "-c", "edited", "-C", p.dir]);
  const image = join(p.dir, "image/edited");
  await using device = await loopback(image);
  writeFileSync(join(p.dir, "conf/devices.ts"), devicesConf([device.line("dev", 'image: "edited"')]));
  const keys = readFileSync(join(device.root, "etc/ssh/ssh_host_ed25519_key"), "utf8");
  writeFileSync(join(device.root, "etc/mine.conf"), "mine\n");
  for (let i = 0; i < 30; i++) {
    const what = p.edit();
    const r = await debcast(["push", "dev", "-C", p.dir, "--json", ...(i === 0 ? ["--full"] : [])]);
    expect(r.status, `${what}\n${r.stderr}`).toBe(0);
    expect(differing(image, device.root, ["./etc/mine.conf"]), `edit ${i}: ${what}; SEED=${seed}`).toEqual([]);
  }
  expect(readFileSync(join(device.root, "etc/ssh/ssh_host_ed25519_key"), "utf8")).toBe(keys);
  expect(readFileSync(join(device.root, "etc/mine.conf"), "utf8")).toBe("mine\n");
  // The long way finds nothing that the short ones left.
  const full = JSON.parse((await debcastOk(["push", "dev", "-C", p.dir, "--json", "--full", "--dry-run"])).stdout) as { sent: string[]; removed: string[] };
  expect([full.sent, full.removed]).toEqual([[], []]);
});

const app = `import { installDeb, run } from "debcast";
installDeb("tree");
run(({ copy, inImage }) => {
  copy("one", "/usr/share/app/one");
  copy("blob", "/usr/share/app/blob");
  inImage\`cd /usr/share/app; for i in $(seq 200); do cp one file$i; done\`;
});
`;

/** On a busy machine one push takes longer than another, and this one may be through already. */
function killed(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "ESRCH") throw e;
  }
}

/** Whether the device says that a push was begun and not ended. */
const isHalf = (b: Bench) => existsSync(join(b.device.root, "var/lib/debcast/half"));

const kills = Number(process.env.KILLS ?? 40);
const harms = ["debcast", "debcast and all it started", "rsync", "ssh", "the cable"] as const;

test(`ended at ${kills} random moments, the device can be reached, says so, and is whole after the next push`, runs, async () => {
  process.stdout.write(`seed ${seed}\n`);
  const random = randomFrom(seed);
  await using b = await bench({ "base/app.ts": app, "base/app/one": "0", "base/app/blob": "" });
  expect((await b.push("--full")).status).toBe(0);
  const next = (i: number) => {
    b.put("base/app/one", `${i}\n`);
    b.put("base/app/blob", randomBytes(40_000_000));
  };
  next(-1);
  await debcastOk(["image", "-q"], { cwd: b.dir });
  const start = performance.now();
  const first = startPush(b.dir);
  const isThrough = first.ended.then(() => true);
  /** Until a push has begun to change the device, or is through. */
  const changes = async (ended: Promise<boolean>) => {
    while (!isHalf(b) && !(await Promise.race([ended, sleep(5, false)])));
  };
  await changes(isThrough);
  const begun = performance.now();
  expect(await first.ended).toMatchObject({ status: 0 });
  const [whole, changing] = [performance.now() - start, performance.now() - begun];
  let halves = 0;
  for (let i = 0; i < kills; i++) {
    next(i);
    // Built before, so that the moment is one of the push.
    await debcastOk(["image", "-q"], { cwd: b.dir });
    const harm = harms[i % harms.length]!;
    const wire = await cable(b.device.port);
    b.put("conf/devices.ts", devicesConf([b.device.line("dev").replace(/port: \d+/, `port: ${wire.port}`).replace('ssh: [', `ssh: ["HostKeyAlias=[127.0.0.1]:${b.device.port}", `)]));
    const push = startPush(b.dir);
    // At any moment of it, or while it changes the device, which is what most can go wrong with.
    if (Math.floor(i / harms.length) % 2 === 0) await sleep(random() * whole);
    else {
      await changes(push.ended.then(() => true));
      await sleep(random() * changing * 0.8);
    }
    if (harm === "debcast") killed(push.pid);
    if (harm === "debcast and all it started") killed(-push.pid);
    for (const pid of harm === "rsync" ? push.below(/^rsync /) : harm === "ssh" ? push.below(/^ssh .* -M /) : []) killed(pid);
    if (harm === "the cable") wire.cut();
    const { status, stderr } = await push.ended;
    const said = `${i}: ${harm}, SEED=${seed}\n${status} ${stderr}`;
    b.put("conf/devices.ts", devicesConf([b.device.line("dev")]));
    expect(status === 0 || status === 3 || status === null, said).toBe(true);
    if (status === 3) expect(stderr, said).toMatch(/^error: /m);
    if (isHalf(b)) halves++;
    const state = (await debcast(["status", "dev"], { cwd: b.dir })).stdout;
    expect(/half pushed/.test(state), `${said}\n${state}`).toBe(isHalf(b));
    const again = await b.push();
    expect(again.status, `${said}\n${again.stderr}`).toBe(0);
    expect(differing(b.image, b.device.root), said).toEqual([]);
    expect([isHalf(b), existsSync(join(b.device.root, "var/lib/debcast/tmp"))], said).toEqual([false, false]);
    wire.close();
  }
  process.stdout.write(`half pushed after ${halves} of ${kills}\n`);
  // Else the moments are not those of a push, and nothing was shown.
  expect(halves).toBeGreaterThan(kills / 4);
});

test("a full disk, a read-only one, no rsync, two pushes at once: said before anything is changed", runs, async () => {
  await using b = await bench({ "base/app.ts": app, "base/app/one": "0", "base/app/blob": "" }, { size: "500M" });
  expect((await b.push("--full")).status).toBe(0);
  const told = async () => {
    const r = await b.push();
    expect([r.status, isHalf(b)]).toEqual([3, false]);
    return r.stderr.slice(r.stderr.indexOf("error: ")).replace(/[\d.]+ [kMG]B/g, "SIZE").replace(/by \S+@\S+;/, "by WHO;");
  };
  const inside = (script: string) => {
    const r = spawnSync("nsenter", [`--target=${/\/proc\/(\d+)/.exec(b.device.root)![1]}`, "--mount", "sh", "-c", script], { encoding: "utf8" });
    expect(r.stderr).toBe("");
  };
  b.put("base/app/blob", randomBytes(400_000_000));
  expect(await told()).toMatchInlineSnapshot(`
    "error: \`dev\` has SIZE free, and this push needs SIZE; nothing was changed

    hint: make room on it, or a larger \`disk.root\` in the conf
    "
  `);
  b.put("base/app/blob", "small");

  inside(`mount -o remount,ro ${join(b.device.dir, "root")}`);
  expect(await told()).toMatchInlineSnapshot(`
    "error: / of \`dev\` is mounted read-only

    hint: debcast ssh dev -- sudo dmesg   # says why, when it was writable before
          debcast ssh dev -- sudo mount -o remount,rw /
    "
  `);
  inside(`mount -o remount,rw ${join(b.device.dir, "root")}`);

  renameSync(join(b.device.root, "usr/bin/rsync"), join(b.device.root, "usr/bin/rsync.away"));
  expect(await told()).toMatchInlineSnapshot(`
    "error: \`dev\` has no rsync

    hint: scriptlets: ["push", …],   # and a disk made of that; or once on the device: apt-get install rsync
    "
  `);
  renameSync(join(b.device.root, "usr/bin/rsync.away"), join(b.device.root, "usr/bin/rsync"));

  // One that sends, and is stopped meanwhile.
  b.put("base/app/blob", randomBytes(1_000_000));
  const first = startPush(b.dir);
  const second = await whileSendersWait(first, () => b.push());
  expect([second.status, second.stderr.slice(second.stderr.indexOf("error: ")).replace(/by \S+@\S+;/, "by WHO;")]).toMatchInlineSnapshot(`
    [
      3,
      "error: another push to \`dev\` is under way, by WHO; nothing was changed

    hint: wait until it is done
    ",
    ]
  `);
  expect(await first.ended).toMatchObject({ status: 0 });
});

test("a disk that fills up meanwhile: said, half pushed, and whole when there is room", runs, async () => {
  await using b = await bench({ "base/app.ts": app, "base/app/one": "0", "base/app/blob": "" }, { size: "600M" });
  expect((await b.push("--full")).status).toBe(0);
  b.put("base/app/blob", randomBytes(60_000_000));
  await debcastOk(["image", "-q"], { cwd: b.dir });
  const push = startPush(b.dir);
  const hog = join(b.device.root, "var/hog");
  await whileSendersWait(push, () => spawnSync("dd", ["if=/dev/zero", `of=${hog}`, "bs=1M", "count=1000"]));
  const { status, stderr } = await push.ended;
  expect([status, isHalf(b)]).toEqual([3, true]);
  expect(stderr).toContain("error: the disk of `dev` is full");
  rmSync(hog);
  expect((await b.push()).status).toBe(0);
  expect(differing(b.image, b.device.root)).toEqual([]);

  // Nothing is to be sent, so nothing asks for room: what is full is told by whoever cannot write a word of his own.
  b.put("base/app.ts", app.replace("seq 200", "seq 100"));
  spawnSync("dd", ["if=/dev/zero", `of=${hog}`, "bs=1M", "count=1000"]);
  const r = await b.push();
  expect([r.status, r.stderr.slice(r.stderr.indexOf("error: ")).replace(/sh: \d+/, "sh: LINE")]).toMatchInlineSnapshot(`
    [
      3,
      "error: the disk of \`dev\` is full
      it cannot be written to
      sh: LINE: printf: printf: I/O error

    hint: make room on it; what was sent is there, and the rest comes with: debcast push dev
    ",
    ]
  `);
  rmSync(hog);
  expect((await b.push()).status).toBe(0);
  expect(differing(b.image, b.device.root)).toEqual([]);
});

const nasty = `import { run } from "debcast";
run(({ inImage }) => {
  inImage\`
    mkdir -p /srv/t /srv/dir /srv/was-link.d; cd /srv/t
    printf 'same size' > same; echo file > becomes-dir; mkdir becomes-link; echo x > becomes-link/in; ln -s /srv/dir becomes-file
    printf 1 > h1; ln h1 h2; ln h1 h3
  \`;
});
`;

const nastier = `import { run } from "debcast";
run(({ inImage }) => {
  inImage\`
    mkdir -p /srv/t /srv/dir; cd /srv/t
    printf 'SAME SIZE' > same
    mkdir becomes-dir; echo in > becomes-dir/in
    ln -s becomes-dir becomes-link; echo file > becomes-file
    ln -s loop2 loop1; ln -s loop1 loop2
    printf a > "$(printf 'new\\nline')"; printf b > 'a  space '; printf c > "$(printf 'no\\377\\376text')"; printf d > "it's %s \\\\ *?[x]"; printf e > -n
    truncate -s 1G sparse; printf end >> sparse
    cp /usr/bin/true setuid; chmod 6755 setuid
    cp /usr/bin/true caps; perl -e 'syscall(188, "caps", "security.capability", pack("VVVVV", 0x02000001, 1 << 13, 0, 0, 0), 20, 0) == 0 or die $!'
    perl -e 'my $acl = pack("V(vvV)*", 2, 1, 6, 0xffffffff, 2, 4, 33, 4, 4, 0xffffffff, 16, 6, 0xffffffff, 32, 4, 0xffffffff); open F, ">acl"; syscall(188, "acl", "system.posix_acl_access", $acl, length $acl, 0) == 0 or die $!'
    printf x > other; chown 1234:4321 other
    mkfifo pipe; mkdir -m 1777 sticky
    printf 2 > h1; printf 1 > h2; ln h2 h4; touch -d @1000000000 h1 h2 same
  \`;
});
`;

test("whatever a tree can hold arrives as it is", runs, async () => {
  await using b = await bench({ "base/app.ts": nasty });
  expect((await b.push("--full")).status).toBe(0);
  expect(differing(b.image, b.device.root)).toEqual([]);
  b.put("base/app.ts", nastier);
  const r = await b.push("--json");
  expect(r.status, r.stderr).toBe(0);
  expect(differing(b.image, b.device.root)).toEqual([]);
  // 1 GB of nothing is nothing, there and on the way.
  expect((JSON.parse(r.stdout) as { bytes: number }).bytes).toBeLessThan(2e6);
  expect(Number(spawnSync("stat", ["-c", "%b", join(b.device.root, "srv/t/sparse")], { encoding: "utf8" }).stdout)).toBeLessThan(64);
  b.put("base/app.ts", nasty);
  expect((await b.push()).status).toBe(0);
  expect(differing(b.image, b.device.root)).toEqual([]);
});
