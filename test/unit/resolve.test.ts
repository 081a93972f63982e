// What scriptlets named, made into a lock: versions, patterns, what stays and what moves.
import { expect, test } from "vitest";
import { formatLock, parseLock, type Lock } from "../../lib/lock.ts";
import { resolve, type ResolveOptions } from "../../lib/plan/resolve.ts";
import { archivesOf, planOf, told, tools } from "./packages.ts";

const first = archivesOf(`
  bash 5.2-1

  bluez 5.70-1
  Depends: libdw1t64

  libdw1t64 0.19-1

  linux-image-amd64 6.12.1-1
  Depends: linux-image-6.12.1-amd64 (= 6.12.1-1)

  linux-image-6.12.1-amd64 6.12.1-1
  Depends: linux-base-6.12

  linux-base-6.12 1

  xbash 1
  Provides: shell

  ${tools}`);
const later = archivesOf(`
  bash 5.2-2

  bluez 5.80-1
  Depends: libdw1t64

  linux-image-amd64 6.12.2-1
  Depends: linux-image-6.12.2-amd64 (= 6.12.2-1)

  linux-image-6.12.2-amd64 6.12.2-1

  ${tools}`, { date: 1_700_009_999 });

const plan = planOf({ minbase: ["bash"], bluez: ["bluez", "libdw1t64"], kernel: ["linux-image-amd64", "linux-image-*"] });
const make = (o: Partial<ResolveOptions> = {}) => resolve({ plan, archives: async () => first, ...o });
const unreachable = () => Promise.reject(new Error("the archives were opened"));
const image = (lock: Lock) => lock.debs.filter((d) => d.roles.includes("image")).map((d) => `${d.name} ${d.version}`);

test("exactly what was named, and what the pattern stands for", async () => {
  const { lock, changes } = await make();
  expect(image(lock)).toEqual(["bash 5.2-1", "bluez 5.70-1", "libdw1t64 0.19-1", "linux-image-6.12.1-amd64 6.12.1-1", "linux-image-amd64 6.12.1-1"]);
  expect([...lock.patterns]).toEqual([["linux-image-*", "linux-image-6.12.1-amd64"]]);
  expect(lock.debs.filter((d) => d.roles.includes("tools")).map((d) => d.name)).toEqual(["coreutils", "dash", "dosfstools", "e2fsprogs", "fdisk", "gzip", "libcap2-bin", "libeatmydata1", "mount", "mtools", "sed", "systemd-boot-efi", "tar", "util-linux", "xz-utils", "zstd"]);
  expect(changes.length).toBe(21);
});

test("a lock that says all opens no archive and changes nothing, not even after a round through its text", async () => {
  const { lock } = await make();
  const back = parseLock(formatLock(lock), "x");
  const again = await make({ lock: back, archives: unreachable, locked: true });
  expect(again.changes).toEqual([]);
  expect(formatLock(again.lock)).toBe(formatLock(lock));
});

test("newly named packages are added, others go, nothing moves, the ledger stays", async () => {
  const { lock } = await make();
  const ledger = { users: new Map([["dlog", 1000]]), groups: new Map() };
  const other = planOf({ minbase: ["bash", "xbash"], kernel: ["linux-image-amd64", "linux-image-*"] });
  const { lock: after, changes } = await make({ plan: other, lock: { ...lock, ledger } });
  expect(changes.map((c) => [c.name, c.from, c.to])).toEqual([["bluez", "5.70-1", undefined], ["libdw1t64", "0.19-1", undefined], ["xbash", undefined, "1"]]);
  expect(after.ledger).toBe(ledger);
});

test("a package of the tools that becomes one of the image is a change", async () => {
  const { lock } = await make();
  const { lock: after, changes } = await make({ plan: planOf({ minbase: ["bash", "tar"] }), lock, archives: unreachable });
  expect(changes.filter((c) => c.name === "tar").map((c) => [c.from, c.to])).toEqual([[undefined, "1"]]);
  expect(after.debs.find((d) => d.name === "tar")?.roles).toEqual(["image", "tools"]);
});

test("update moves all, patterns with it, or only what it names", async () => {
  const { lock } = await make();
  const all = await make({ plan: planOf({ minbase: ["bash"], kernel: ["linux-image-amd64", "linux-image-*"] }), lock, archives: async () => later, update: "all" });
  expect(image(all.lock)).toEqual(["bash 5.2-2", "linux-image-6.12.2-amd64 6.12.2-1", "linux-image-amd64 6.12.2-1"]);
  expect(all.lock.archives[0]!.date).toBe(1_700_009_999);
  const one = await make({ lock, archives: async () => later, update: ["linux-image-amd64"] });
  expect(one.changes.map((c) => [c.name, c.from, c.to])).toEqual([
    ["linux-image-6.12.1-amd64", "6.12.1-1", undefined], ["linux-image-6.12.2-amd64", undefined, "6.12.2-1"], ["linux-image-amd64", "6.12.1-1", "6.12.2-1"],
  ]);
});

test("a version that is asked for moves a package, and is kept by the next run", async () => {
  const both = archivesOf(`bash 5.2-2\n\nbash 5.2-1\n\n${tools}`);
  const pinned = planOf({ minbase: ["bash=5.2-1"], other: ["bash"] });
  const { lock } = await make({ plan: pinned, archives: async () => both });
  expect(image(lock)).toEqual(["bash 5.2-1"]);
  const moved = await make({ plan: planOf({ minbase: ["bash=5.2-2"] }), lock, archives: async () => both });
  expect(image(moved.lock)).toEqual(["bash 5.2-2"]);
  expect((await make({ plan: pinned, lock, archives: unreachable })).changes).toEqual([]);
});

test("mistakes, all at once, each with its line", async () => {
  const archives = archivesOf(`bash 5.2-1\n\nbluez 5\n\nxbash 1\nProvides: shell\n\nfirmware 1\n\n${tools}`, { elsewhere: { "firmware-realtek": "non-free-firmware" } });
  const bad = planOf({ a: ["blues", "shell", "firmware-realtek", "bash=5.1", "bluez:arm64", "nothing-like-it-at-all"], b: ["bash=5.2-1"] });
  expect(await told(make({ plan: bad, archives: async () => archives }))).toMatchInlineSnapshot(`
    "error: base/a.ts:7 (a): \`bluez:arm64\` is for \`arm64\`, and the image is for \`amd64\`

    hint: installDeb("bluez");

    error: base/b.ts:3 (b): \`bash\` is wanted as \`5.2-1\` and as \`5.1\`

    hint: the other is said in base/a.ts:6

    error: base/a.ts:3 (a): there is no package \`blues\` in \`trixie\` for \`amd64\`

    hint: did you mean \`bluez\`?

    error: base/a.ts:4 (a): \`shell\` is no package but a name for what others provide

    hint: installDeb("xbash");

    error: base/a.ts:5 (a): \`firmware-realtek\` is in \`non-free-firmware\`, which the conf leaves out

    hint: in conf/base.ts: components: ["main", "non-free-firmware"],

    error: base/a.ts:6 (a): \`bash=5.1\` is not to be had: the archive has \`5.2-1\`

    hint: installDeb("bash=5.2-1");

    error: base/a.ts:8 (a): there is no package \`nothing-like-it-at-all\` in \`trixie\` for \`amd64\`"
  `);
});

test("patterns that match nothing, or too much", async () => {
  const archives = archivesOf(`k 1\nDepends: k-a, k-b | k-c\n\nk-a 1\n\n${tools}`);
  expect(await told(make({ plan: planOf({ a: ["k", "k-*", "z-*"] }), archives: async () => archives }))).toMatchInlineSnapshot(`
    "error: base/a.ts:4 (a): \`k-*\` could be any of \`k-a\`, \`k-b\`, \`k-c\`

    hint: installDeb("k-a");
          installDeb("k-b");
          installDeb("k-c");

    error: base/a.ts:5 (a): no package of the plan depends on one like \`z-*\`

    hint: a pattern stands for one dependency of a package that some scriptlet names"
  `);
  expect(await told(make({ plan: planOf({ a: ["k", "k-b*"] }), archives: async () => archives }))).toMatchInlineSnapshot(`
    "error: base/a.ts:4 (a): \`k-b*\` stands for \`k-b\`, which the archive does not have

    hint: debcast update"
  `);
});

test("--locked refuses what the lock does not say", async () => {
  const { lock } = await make();
  expect(await told(make({ plan: planOf({ minbase: ["bash", "xbash"], x: ["strange"] }), lock, locked: true, archives: unreachable }))).toMatchInlineSnapshot(`
    "error: the lock of \`base\` does not say what the scriptlets ask for, and \`--locked\` lets nothing be changed
      added    xbash
      added    strange

    hint: debcast lock -c base"
  `);
  expect(await told(make({ plan: planOf({ minbase: ["bash"] }), lock, locked: true, archives: unreachable }))).toMatchInlineSnapshot(`
    "error: the lock of \`base\` does not say what the scriptlets ask for, and \`--locked\` lets nothing be changed
      removed  bluez
      removed  libdw1t64
      removed  linux-image-6.12.1-amd64
      removed  linux-image-amd64

    hint: debcast lock -c base"
  `);
  expect(await told(make({ lock: undefined, locked: true, archives: unreachable }))).toMatch(/^error: the lock of `base` does not say/);
});

test("a lock of another suite, and update of what is not there", async () => {
  const { lock } = await make();
  expect(await told(make({ lock: { ...lock, suite: "bookworm" } }))).toMatchInlineSnapshot(`
    "error: conf/base.ts: the lock is for \`bookworm\` on \`amd64\`, and the conf for \`trixie\` on \`amd64\`

    hint: \`debcast update\` makes the lock anew"
  `);
  expect((await make({ lock: { ...lock, suite: "bookworm" }, update: "all" })).lock.suite).toBe("trixie");
  expect(await told(make({ lock, update: ["blues"] }))).toMatchInlineSnapshot(`
    "error: \`blues\` is not in the lock, so there is nothing to move

    hint: did you mean \`debcast update bluez\`?"
  `);
});
