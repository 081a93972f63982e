import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { epochOf, formatLock, parseLock, readLock, writeLock, type Lock } from "../../lib/lock.ts";
import { told } from "./packages.ts";

const deb = (name: string, o: Partial<Lock["debs"][number]> = {}): Lock["debs"][number] => ({
  name, version: "1.0-1", arch: "amd64", archive: "main", filename: `pool/main/${name[0]}/${name}_1.0-1_amd64.deb`, size: 1234, sha256: "ab".repeat(32),
  fields: { Depends: "libc6 (>= 2.38)", Priority: "optional" }, roles: ["image"], ...o,
});
const lock: Lock = {
  suite: "trixie", arch: "amd64",
  archives: [
    { name: "security", suite: "trixie-security", components: ["main", "contrib"], date: 1_700_000_500, indexes: [{ path: "main/binary-amd64/Packages.xz", sha256: "12".repeat(32), size: 77 }, { path: "contrib/binary-amd64/Packages.xz", sha256: "34".repeat(32), size: 5 }] },
    { name: "main", suite: "trixie", components: ["main"], date: 1_700_000_000, indexes: [] },
  ],
  debs: [deb("zsh"), deb("bash", { roles: ["tools", "image"] }), deb("zstd", { roles: ["tools"], arch: "all", archive: "security" })],
  patterns: new Map([["linux-image-*", "linux-image-6.12"]]),
  ledger: { users: new Map([["www-data", 33], ["_apt", 42]]), groups: new Map([["ssh", 101]]) },
};

test("one field per line, sorted, no host names", () => {
  expect(formatLock(lock)).toMatchInlineSnapshot(`
    "Lock: 1
    Suite: trixie
    Architecture: amd64

    Ids: 1
    Users:
     _apt 42
     www-data 33
    Groups:
     ssh 101

    Archive: main
    Suite: trixie
    Components: main
    Date: 2023-11-14T22:13:20Z

    Archive: security
    Suite: trixie-security
    Components: main contrib
    Date: 2023-11-14T22:21:40Z
    Indexes:
     contrib/binary-amd64/Packages.xz 5 3434343434343434343434343434343434343434343434343434343434343434
     main/binary-amd64/Packages.xz 77 1212121212121212121212121212121212121212121212121212121212121212

    Pattern: linux-image-*
    Is: linux-image-6.12

    Package: bash
    Version: 1.0-1
    Architecture: amd64
    Archive: main
    Filename: pool/main/b/bash_1.0-1_amd64.deb
    Size: 1234
    SHA256: abababababababababababababababababababababababababababababababab
    Roles: image tools
    Priority: optional
    Depends: libc6 (>= 2.38)

    Package: zsh
    Version: 1.0-1
    Architecture: amd64
    Archive: main
    Filename: pool/main/z/zsh_1.0-1_amd64.deb
    Size: 1234
    SHA256: abababababababababababababababababababababababababababababababab
    Priority: optional
    Depends: libc6 (>= 2.38)

    Package: zstd
    Version: 1.0-1
    Architecture: all
    Archive: security
    Filename: pool/main/z/zstd_1.0-1_amd64.deb
    Size: 1234
    SHA256: abababababababababababababababababababababababababababababababab
    Roles: tools
    Priority: optional
    Depends: libc6 (>= 2.38)
    "
  `);
});

test("what is read back says the same, and is written the same", () => {
  const back = parseLock(formatLock(lock), "base.lock");
  expect(formatLock(back)).toBe(formatLock(lock));
  expect(back.ledger).toEqual(lock.ledger);
  expect(back.patterns).toEqual(lock.patterns);
  expect(back.debs.map((d) => d.name)).toEqual(["bash", "zsh", "zstd"]);
  expect(back.debs[0]).toEqual({ ...lock.debs[1], roles: ["image", "tools"] });
  expect(epochOf(back)).toBe(1_700_000_500);
});

test("a lock is written whole, and left alone when it says the same", () => {
  const dir = mkdtempSync(join(tmpdir(), "debcast-lock-"));
  try {
    const file = join(dir, "base.lock");
    expect(readLock(file)).toBeUndefined();
    expect([writeLock(file, lock), existsSync(file), readFileSync(file, "utf8") === formatLock(lock)]).toEqual([true, true, true]);
    const before = statSync(file, { bigint: true });
    expect(writeLock(file, lock)).toBe(false);
    expect(statSync(file, { bigint: true }).ctimeNs).toBe(before.ctimeNs);
    writeFileSync(file, "Lock: 1\n<<<<<<< HEAD\n");
    expect(writeLock(file, lock)).toBe(true);
    expect(readdirSync(dir)).toEqual(["base.lock"]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a damaged lock is refused with its line", async () => {
  const good = formatLock(lock);
  const damages: Record<string, string> = {
    empty: "",
    "not a lock": "Package: a\n",
    "a later version": good.replace("Lock: 1", "Lock: 2"),
    "a merge left undone": good.replace("Package: zsh", "<<<<<<< HEAD\nPackage: zsh"),
    "a merge that took both sides": `${good}\n${good.slice(good.indexOf("Package: zsh"))}`,
    "a merge that took both versions": `${good}\n${good.slice(good.indexOf("Package: zsh")).replaceAll("1.0-1", "1.0-2")}`,
    "a field twice": good.replace("Package: zsh\n", "Package: zsh\nPackage: zsh\n"),
    "a field lost": good.replace(/(Package: zsh\n(?:.*\n)*?)Size: .*\n/, "$1"),
    "a short hash": good.replace(/(Package: zsh\n(?:.*\n)*?SHA256: ab)ab/, "$1"),
    "a path out of the pool": good.replace("pool/main/z/zsh_1.0-1_amd64.deb", "pool/../../etc/passwd"),
    "an absolute path": good.replace("pool/main/z/zsh_1.0-1_amd64.deb", "/etc/passwd"),
    "an unknown archive": good.replace("Archive: security\nFilename", "Archive: other\nFilename"),
    "an unknown paragraph": `${good}\nSource: x\n`,
    "an id that is none": good.replace("_apt 42", "_apt many"),
    "a date that is none": good.replace("2023-11-14T22:13:20Z", "yesterday"),
    "carriage returns": good.replaceAll("\n", "\r\n"),
  };
  const lines = [];
  for (const [what, text] of Object.entries(damages)) lines.push(`── ${what}\n${await told(Promise.resolve().then(() => parseLock(text, "conf/base.lock")))}`);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "── empty
    error: conf/base.lock:1: the lock does not begin with \`Lock: 1\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── not a lock
    error: conf/base.lock:1: the lock does not begin with \`Lock: 1\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── a later version
    error: conf/base.lock:1: the lock is of version \`2\`, which this debcast cannot read
    ── a merge left undone
    error: conf/base.lock:39: the lock has a merge that was left undone

    hint: take either side of it (\`git checkout --ours\` or \`--theirs\`), then \`debcast lock\` adds what the other one had
    ── a merge that took both sides
    error: conf/base.lock:60: the lock has \`zsh\` twice, first on line 39

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── a merge that took both versions
    error: conf/base.lock:60: the lock has \`zsh\` twice, first on line 39

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── a field twice
    error: conf/base.lock:40: the lock has the field \`Package\` twice
    ── a field lost
    error: conf/base.lock:39: the lock lacks the field \`Size\` in \`Package: zsh\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── a short hash
    error: conf/base.lock:39: the lock has a SHA256 that cannot be right in \`Package: zsh\`: \`ababababababababababababababababababababababababababababababab\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── a path out of the pool
    error: conf/base.lock:39: the lock has a Filename that cannot be right in \`Package: zsh\`: \`pool/../../etc/passwd\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── an absolute path
    error: conf/base.lock:39: the lock has a Filename that cannot be right in \`Package: zsh\`: \`/etc/passwd\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── an unknown archive
    error: conf/base.lock:49: the lock has \`zstd\` from the archive \`other\`, of which it knows nothing

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── an unknown paragraph
    error: conf/base.lock:60: the lock has a paragraph that begins with \`Source\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── an id that is none
    error: conf/base.lock:5: the lock has an id that cannot be right: \`_apt many\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── a date that is none
    error: conf/base.lock:12: the lock has a Date that cannot be right in \`Archive: main\`: \`yesterday\`

    hint: take it from version control again, or remove it and run \`debcast lock\`
    ── carriage returns
    error: conf/base.lock:1: the lock has a carriage return"
  `);
});
