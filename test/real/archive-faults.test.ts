// Everything that can be wrong with an archive, from its signature to a .deb, against lib/archive.ts and lib/fetch.ts. What can be
// wrong with the transfer of one file is in fetch.test.ts.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openArchives, type Archives } from "../../lib/archive.ts";
import { debItems } from "../../lib/cache.ts";
import { fetchFiles } from "../../lib/fetch.ts";
import { openProject } from "../../lib/project.ts";
import type { Conf } from "../../lib/plan/plan.ts";
import type { LockedArchive } from "../../lib/lock.ts";
import { change, startArchive, type TestArchive, type TestDeb, type TestSuite } from "./archive/archive.ts";
import { quick, said, scratch } from "./fetching.ts";

const hello: TestDeb = { name: "hello", version: "1.0", files: { "/usr/share/hello": Buffer.alloc(50_000, "hello ") }, compression: "none" };
/** A fixed day, where a message or a file name depends on the Release. */
const date = new Date("2026-01-02T03:04:05Z");

let space: ReturnType<typeof scratch>;
let archives: TestArchive[];
beforeEach(() => {
  space = scratch();
  archives = [];
});
afterEach(async () => {
  for (const a of archives) await a.stop();
  space[Symbol.dispose]();
});

async function start(...suites: TestSuite[]): Promise<TestArchive> {
  const a = await startArchive({ suites: suites.length > 0 ? suites : [{ packages: [hello], date }] });
  archives.push(a);
  return a;
}

interface Ask {
  readonly keyring?: string;
  readonly conf?: Partial<Conf>;
  readonly state?: readonly LockedArchive[];
  readonly offline?: boolean;
}

/** Opens the archives of `mirrors` as a build would; this machine's own apt sources are out of it. */
function open(mirrors: readonly TestArchive[], o: Ask = {}): Promise<Archives> {
  const apt = join(space.dir, "apt");
  mkdirSync(apt, { recursive: true });
  const conf: Conf = {
    name: "test", file: join(space.dir, "conf/test.ts"), suite: "trixie", arch: "amd64", scriptlets: [], hostname: "test", options: {}, components: ["main"],
    updates: false, security: false, locale: "C.UTF-8", timezone: "Etc/UTC", users: [], cmdline: [], excludes: [], listens: [], mirrors: [],
    keyring: o.keyring ?? mirrors[0]!.keyring, ...o.conf,
  };
  return openArchives({ project: openProject(space.dir, {}), conf, mirrors: mirrors.map((m) => m.uri), emit: () => {}, state: o.state, offline: o.offline, apt });
}

const names = () => ({ ...Object.fromEntries(archives.map((a, i) => [`http://mirror${i + 1}.example`, a])), DIR: space.dir });
/** The message without what differs from run to run: gpgv's words, times and hashes of signed files. */
const message = async (work: Promise<unknown>) =>
  (await said(work, { ...Object.fromEntries(archives.map((a) => ["KEYRING", a.strangeKeyring])), ...names() })).replace(/^ {2}gpgv: .*\n/gm, "");

describe("a good archive", () => {
  test("is opened, and from its locked state again without the network", async () => {
    const a = await start();
    const first = await open([a]);
    expect(first.find("hello").map((d) => d.version)).toEqual(["1.0"]);
    expect(a.requests.map((r) => r.path.replace(/[0-9a-f]{64}/, "SHA256"))).toEqual(["/debian/dists/trixie/InRelease", "/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/SHA256"]);
    a.requests.length = 0;
    const second = await open([a], { state: first.archives, offline: true });
    expect(second.find("hello")).toEqual(first.find("hello"));
    expect(a.requests).toEqual([]);
  });

  test("has updates and security merged, the highest version first", async () => {
    const a = await start(
      { packages: [hello], date },
      { suite: "trixie-updates", packages: [{ ...hello, version: "1.1" }] },
      { suite: "trixie-security", packages: [{ ...hello, version: "1.0+deb13u1" }] },
    );
    const { find } = await open([a], { conf: { updates: true, security: true } });
    expect(find("hello").map((d) => `${d.version} ${d.archive}`)).toEqual(["1.1 updates", "1.0+deb13u1 security", "1.0 main"]);
  });
});

describe("the signature", () => {
  test("is by another key", async () => {
    const a = await start();
    expect(await message(open([a], { keyring: a.strangeKeyring }))).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` is not signed by a key of \`KEYRING\`

      hint: newer keys come with the package debian-archive-keyring; or name a keyring in the conf: \`keyring: "keyrings/debian.gpg",\`"
    `);
  });

  test("does not fit: the InRelease was changed after it was signed", async () => {
    const a = await start();
    a.fault("InRelease", { change: (b) => Buffer.from(b.toString().replace("Codename: trixie", "Codename: trixie-evil")) });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` has been changed after it was signed

      hint: try another mirror with \`--mirror\`"
    `);
  });

  test("is around something else than all of the text", async () => {
    const a = await start();
    a.fault("InRelease", { change: (b) => Buffer.concat([Buffer.from("Origin: evil\n"), b]) });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` is not a signed text
        Origin: evil
        -----BEGIN PGP SIGNED MESSAGE-----
        Hash: SHA512
        
        Origin: Debian
        Label: Debian
        Suite: stable
        Codename: trixie
        Date: Fri, 02 Jan 2026 03:04:05 UTC
        Acquire-By-Hash: yes
        No-Support-for-Archit

      hint: a proxy or a login page may have answered in place of the mirror"
    `);
  });

  test("is not there: a login page answers", async () => {
    const a = await start();
    a.fault("InRelease", { change: () => Buffer.from("<html>Please log in</html>\n") });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` is not a signed text
        <html>Please log in</html>
        

      hint: a proxy or a login page may have answered in place of the mirror"
    `);
  });

  test("may be checked with an armoured keyring", async () => {
    const a = await start();
    expect((await open([a], { keyring: a.armoredKeyring })).find("hello").length).toBe(1);
  });
});

describe("the Release", () => {
  test("has expired", async () => {
    const a = await start({ packages: [hello], date, validUntil: new Date("2026-01-09T03:04:05Z") });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` was valid until 2026-01-09 03:04 only
        http://mirror1.example/debian/dists/trixie/InRelease

      hint: the mirror is not kept up to date (another one with \`--mirror\`), or this machine's clock is wrong"
    `);
  });

  test("is of another suite", async () => {
    const a = await start({ packages: [hello], date }, { suite: "bookworm", packages: [hello], date });
    const other = a.served.get("/debian/dists/bookworm/InRelease")!;
    a.fault("trixie/InRelease", { change: () => other });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` is of another suite: \`bookworm\`, \`stable\`
        http://mirror1.example/debian/dists/trixie/InRelease

      hint: the mirror is wrong, or leads elsewhere: another one with \`--mirror\`"
    `);
  });

  test("is from the future", async () => {
    const a = await start({ packages: [hello], date: new Date("2999-01-01T00:00:00Z") });
    expect((await message(open([a]))).replace(/says [\d: -]+:/, "says NOW:")).toMatchInlineSnapshot(`
      "error: the InRelease of \`trixie\` is dated 2999-01-01 00:00, which is yet to come
        http://mirror1.example/debian/dists/trixie/InRelease

      hint: this machine's clock says NOW: is that right?"
    `);
  });

  test("is not there", async () => {
    const a = await start({ suite: "sid", packages: [hello], date });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: \`dists/trixie/InRelease\` is not on any mirror tried
        http://mirror1.example/debian/dists/trixie/InRelease: status 404

      hint: another mirror with \`--mirror\`, or in the conf: \`mirrors: ["http://mirror.example/debian"],\`"
    `);
  });

  test("comes at the third try", async () => {
    const a = await start();
    a.fault("InRelease", { status: 503 }, 2);
    expect((await open([a])).find("hello").length).toBe(1);
    expect(a.requests.slice(0, 3).map((r) => r.status)).toEqual([503, 503, 200]);
  });

  test("has no end", async () => {
    const a = await start();
    a.fault("InRelease", { endless: true });
    expect(await message(open([a]))).toMatchInlineSnapshot(`
      "error: \`dists/trixie/InRelease\` could not be fetched
        http://mirror1.example/debian/dists/trixie/InRelease: more than 8388608 bytes

      hint: another mirror with \`--mirror\`, or in the conf: \`mirrors: ["http://mirror.example/debian"],\`"
    `);
  });
});

describe("an index", () => {
  test("has another hash than the Release says", async () => {
    const a = await start();
    a.fault(/binary-amd64/, { change: change.bit });
    // The compressed index is another one with every version of xz.
    expect((await message(open([a]))).replace(/[0-9a-f]{64}/g, "HASH").replace(/\d+ bytes/, "N bytes")).toMatchInlineSnapshot(`
      "error: \`trixie/main/binary-amd64/Packages.xz\` could not be fetched: what came has the wrong content
        expected: N bytes, SHA-256 HASH
        http://mirror1.example/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/HASH: SHA-256 HASH

      hint: the mirror is wrong or being changed: try again later; another mirror can be named with \`--mirror\`"
    `);
  });

  test("is truncated on one mirror, and comes from the next", async () => {
    const [a, b] = [await start(), await start()];
    a.fault(/binary-amd64/, { change: change.shorter });
    expect((await open([a, b])).find("hello").length).toBe(1);
  });

  test("that the lock was made from is gone", async () => {
    const a = await start();
    const { archives: state } = await open([a]);
    const more: TestSuite = { packages: [hello, { name: "more" }], date };
    a.forget(/by-hash/);
    await a.publish([more]);
    const fresh = scratch();
    try {
      space[Symbol.dispose]();
      space = fresh;
      expect(await message(open([a], { state }))).toMatchInlineSnapshot(`
        "error: no mirror has the state of \`trixie\` any more that the lock was made from, and something that the lock lacks is asked for
          trixie/main/binary-amd64/Packages.xz

        hint: \`debcast update\` moves the lock to what the mirrors have now"
      `);
    } finally {
      fresh[Symbol.dispose]();
    }
  });
});

describe("a .deb", () => {
  const fetchHello = async (mirrors: readonly TestArchive[], o: { idle?: number } = {}) => {
    const [deb] = (await open(mirrors)).find("hello");
    for (const m of mirrors) m.requests.length = 0;
    const files = debItems(openProject(space.dir, {}), { suite: "trixie", arch: "amd64", debs: [{ ...deb!, roles: ["image"] }] }, () => mirrors.map((m) => m.uri));
    return fetchFiles({ files, emit: () => {}, ...quick, ...o });
  };

  test("is truncated, or has another size", async () => {
    const [a, b] = [await start(), await start()];
    a.fault(".deb", { change: change.shorter });
    b.fault(".deb", { change: change.longer });
    expect(await message(fetchHello([a, b]))).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` could not be fetched: what came has the wrong size
        expected: 57024 bytes, SHA-256 706d8756f80a4a4bd4bc46c0c38e6da44ce6a41624cab7ee36f498446de464e0
        http://mirror1.example/debian/pool/main/h/hello/hello_1.0_all.deb: 28512 bytes
        http://mirror2.example/debian/pool/main/h/hello/hello_1.0_all.deb: 57028 bytes

      hint: the mirror is wrong or being changed: try again later; another mirror can be named with \`--mirror\`"
    `);
  });

  test("has the right size and the wrong content", async () => {
    const a = await start();
    a.fault(".deb", { change: change.bit });
    expect(await message(fetchHello([a]))).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` could not be fetched: what came has the wrong content
        expected: 57024 bytes, SHA-256 706d8756f80a4a4bd4bc46c0c38e6da44ce6a41624cab7ee36f498446de464e0
        http://mirror1.example/debian/pool/main/h/hello/hello_1.0_all.deb: SHA-256 f40e15e0c5a69cf886c358bbb3fbe0ea0eefb1192a1015f5e133cfa5777b1fc3

      hint: the mirror is wrong or being changed: try again later; another mirror can be named with \`--mirror\`"
    `);
  });

  test("is gone", async () => {
    const a = await start();
    a.fault(".deb", { status: 404 });
    expect(await message(fetchHello([a]))).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` is gone from every mirror tried
        http://mirror1.example/debian/pool/main/h/hello/hello_1.0_all.deb: status 404

      hint: run \`debcast update\`: newer versions are in the archive now"
    `);
  });

  test("comes after 503, after a stall, and from a server that ignores Range", async () => {
    const a = await start();
    a.fault(".deb", { ignoreRange: true });
    a.fault(".deb", { stallAfter: 10_000 }, 1);
    a.fault(".deb", { status: 503 }, 1);
    expect(await fetchHello([a], { idle: 300 })).toMatchObject({ fetched: 1 });
    expect(a.requests.map((r) => `${r.status} ${r.range ?? "whole"}`)).toEqual(["503 whole", "200 whole", "200 bytes=10000-"]);
  });
});
