// lib/fetch.ts and lib/cache.ts against a real server that goes wrong in every way a mirror does.
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkCached, debPath, isVerified, markVerified } from "../../lib/cache.ts";
import { engineRoot } from "../../lib/engine.ts";
import { fetchFiles, fetchSmall, type FetchItem } from "../../lib/fetch.ts";
import { openProject } from "../../lib/project.ts";
import { change, startArchive, type TestArchive, type TestDeb } from "./archive/archive.ts";
import { sha256 } from "./archive/deb.ts";
import { itemFor, quick, recorder, said, scratch } from "./fetching.ts";

// Two mirrors of the same packages. `big` is incompressible in effect: its .deb is not compressed.
const packages: readonly TestDeb[] = [
  { name: "hello", files: { "/usr/bin/hello": "#!/bin/sh\n" } },
  { name: "plus", version: "1:2.0+b1", arch: "amd64" },
  { name: "big", compression: "none", files: { "/usr/share/big": Buffer.alloc(300_000, "big ") } },
];
let one: TestArchive;
let two: TestArchive;
let space: { dir: string; [Symbol.dispose](): void };
let dir: string;

beforeAll(async () => {
  one = await startArchive({ packages });
  two = await startArchive({ packages });
});
afterAll(async () => {
  await one.stop();
  await two.stop();
});
beforeEach(() => {
  space = scratch();
  dir = join(space.dir, "debs");
  for (const a of [one, two]) {
    a.heal();
    a.requests.length = 0;
  }
  return () => space[Symbol.dispose]();
});

const item = (name: string, mirrors: readonly TestArchive[] = [one]) => itemFor(dir, one.deb(name), mirrors.map((m) => m.uri));
const get = (files: readonly FetchItem[], o: object = {}) => fetchFiles({ files, emit: () => {}, ...quick, ...o });
const names = () => ({ "http://one.mirror.example": one, "http://two.mirror.example": two, DIR: dir });
const bytesOf = (name: string) => readFileSync(item(name).to);
const ranges = (a: TestArchive) => a.requests.map((r) => `${r.status} ${r.range ?? "whole"}`);
/** Everything in the directory but the record of verified files. */
const left = () => (existsSync(dir) ? readdirSync(dir).filter((f) => f !== ".verified").sort() : []);

describe("a good mirror", () => {
  test("gives every file, whole, and is not asked again", async () => {
    const { emit, events } = recorder();
    const files = packages.map((p) => item(p.name));
    const bytes = packages.reduce((sum, p) => sum + one.deb(p.name).size, 0);
    expect(await get(files, { emit })).toEqual({ fetched: 3, present: 0, bytes });
    for (const p of packages) expect(bytesOf(p.name).equals(one.deb(p.name).content)).toBe(true);
    expect(left()).toEqual(["big_1.0_all.deb", "hello_1.0_all.deb", "plus_2.0+b1_amd64.deb"]);
    expect(events.filter((e) => e.type === "progress").at(-1)).toEqual({ type: "progress", stage: "fetch", done: bytes, total: bytes, unit: "bytes" });
    expect(await get(files)).toEqual({ fetched: 0, present: 3, bytes: 0 });
    expect(one.requests.length).toBe(3);
  });

  test("is asked for a `+` as apt does", async () => {
    await get([item("plus")]);
    expect(one.requests.map((r) => r.path)).toEqual(["/debian/pool/main/p/plus/plus_2.0%2Bb1_amd64.deb"]);
  });

  test("may be asked for a file without a known size", async () => {
    const { emit, events } = recorder();
    const size = one.deb("big").size;
    await get([{ ...item("big"), size: undefined }], { emit });
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
    expect(events.filter((e) => e.type === "progress").at(-1)).toMatchObject({ done: size, total: size });
  });

  test("may redirect, a few times", async () => {
    one.fault("hello_1.0_all.deb", { redirect: `${two.uri}/${one.deb("hello").filename}` });
    await get([item("hello")]);
    expect(left()).toEqual(["hello_1.0_all.deb"]);
    two.fault("hello_1.0_all.deb", { redirect: "/debian/pool/main/h/hello/hello_1.0_all.deb" });
    expect(await said(get([item("hello", [two])].map((i) => ({ ...i, to: `${i.to}.deb` }))), names())).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` could not be fetched
        http://two.mirror.example/debian/pool/main/h/hello/hello_1.0_all.deb: more than 5 redirects

      hint: another mirror can be named with \`--mirror\`"
    `);
    one.fault("plus_2.0+b1_amd64.deb", { redirect: "file:///etc/passwd" });
    expect(await said(get([item("plus")]), names())).toMatchInlineSnapshot(`
      "error: \`plus_2.0+b1_amd64.deb\` could not be fetched
        http://one.mirror.example/debian/pool/main/p/plus/plus_2.0%2Bb1_amd64.deb: \`file:///etc/passwd\` is not an http or https address

      hint: another mirror can be named with \`--mirror\`"
    `);
  });

  test("is asked through a proxy where there is one", async () => {
    const { filename, content } = one.deb("hello");
    two.served.set(`http://mirror.example/debian/${filename}`, content);
    const before = process.env.http_proxy;
    process.env.http_proxy = new URL(two.uri).origin;
    try {
      await get([itemFor(dir, one.deb("hello"), ["http://mirror.example/debian"])]);
    } finally {
      if (before === undefined) delete process.env.http_proxy;
      else process.env.http_proxy = before;
    }
    expect(two.requests.map((r) => r.path)).toEqual([`http://mirror.example/debian/${filename}`]);
  });
});

describe("passing troubles", () => {
  test("503 is tried again, and so is a server that asks for patience", async () => {
    one.fault("hello_1.0_all.deb", { status: 503 }, 2);
    one.fault("plus_2.0+b1_amd64.deb", { status: 429, retryAfter: 0 }, 1);
    await get([item("hello"), item("plus")]);
    expect(ranges(one).sort()).toEqual(["200 whole", "200 whole", "429 whole", "503 whole", "503 whole"]);
  });

  test("a stalled connection is given up, and the rest fetched by range", async () => {
    one.fault("big_1.0_all.deb", { stallAfter: 100_000 }, 1);
    await get([item("big")], { idle: 300 });
    expect(ranges(one)).toEqual(["200 whole", "206 bytes=100000-"]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
  });

  test("a server that says nothing at all is tried again", async () => {
    one.fault("hello_1.0_all.deb", { stallAfter: 0 }, 1);
    await get([item("hello")], { idle: 300 });
    expect(ranges(one)).toEqual(["0 whole", "200 whole"]);
  });

  test("a connection that is reset goes on where it was, on another mirror if need be", async () => {
    one.fault("big_1.0_all.deb", { resetAfter: 50_000 }, 1);
    await get([item("big")]);
    expect(ranges(one)).toEqual(["200 whole", "206 bytes=50000-"]);
    rmSync(item("big").to);
    one.fault("big_1.0_all.deb", { resetAfter: 60_000 });
    await get([item("big", [one, two])], { retries: 0 });
    expect(ranges(two)).toEqual(["206 bytes=60000-"]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
  });

  test("a server that ignores Range sends the whole again", async () => {
    one.fault("big_1.0_all.deb", { ignoreRange: true });
    one.fault("big_1.0_all.deb", { resetAfter: 100_000 }, 1);
    const { bytes } = await get([item("big")]);
    expect(ranges(one)).toEqual(["200 whole", "200 bytes=100000-"]);
    expect(bytes).toBe(one.deb("big").size + 100_000);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
  });

  test("what lasts is an error, and what had come is kept for the next run", async () => {
    one.fault("big_1.0_all.deb", { resetAfter: 0 });
    one.fault("big_1.0_all.deb", { resetAfter: 1000 }, 1);
    expect(await said(get([item("big")]), names())).toMatchInlineSnapshot(`
      "error: \`big_1.0_all.deb\` could not be fetched
        http://one.mirror.example/debian/pool/main/b/big/big_1.0_all.deb: connection was reset

      hint: try again, what has come so far is kept; another mirror can be named with \`--mirror\`"
    `);
    expect(left()).toEqual(["big_1.0_all.deb.part"]);
    one.heal();
    one.requests.length = 0;
    await get([item("big")]);
    expect(ranges(one)).toEqual(["206 bytes=1000-"]);
    expect(left()).toEqual(["big_1.0_all.deb"]);
  });
});

describe("a mirror that has something else", () => {
  for (const [what, fault] of [
    ["right size, wrong content", { change: change.bit }],
    ["truncated", { change: change.shorter }],
    ["too long", { change: change.longer }],
    ["without an end", { endless: true }],
    ["forbidden", { status: 403 }],
    ["gone", { status: 404 }],
  ] as const) {
    test(`${what}: the next mirror gives it`, async () => {
      one.fault("big_1.0_all.deb", fault);
      await get([item("big", [one, two])]);
      expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
      expect(ranges(two)).toEqual(["200 whole"]);
      expect(left()).toEqual(["big_1.0_all.deb"]);
    });
  }

  test("wrong content is an error that says what was expected, and nothing of it stays", async () => {
    one.fault("big_1.0_all.deb", { change: change.bit });
    expect(await said(get([item("big")]), names())).toMatchInlineSnapshot(`
      "error: \`big_1.0_all.deb\` could not be fetched: what came has the wrong content
        expected: 306880 bytes, SHA-256 97926b8d4c8328985b796312495d24a5bb5568b9b6bc1215f0a919fd4b9e8ae0
        http://one.mirror.example/debian/pool/main/b/big/big_1.0_all.deb: SHA-256 2397aa92b187903feec244034f1a1750401c811a5f6f4c46ff9b357ca5ca8ebd

      hint: the mirror is wrong or being changed: try again later; another mirror can be named with \`--mirror\`"
    `);
    expect(left()).toEqual([]);
  });

  test("a wrong size is known before anything is written", async () => {
    one.fault("big_1.0_all.deb", { change: change.shorter });
    two.fault("big_1.0_all.deb", { change: change.longer });
    expect(await said(get([item("big", [one, two])]), names())).toMatchInlineSnapshot(`
      "error: \`big_1.0_all.deb\` could not be fetched: what came has the wrong size
        expected: 306880 bytes, SHA-256 97926b8d4c8328985b796312495d24a5bb5568b9b6bc1215f0a919fd4b9e8ae0
        http://one.mirror.example/debian/pool/main/b/big/big_1.0_all.deb: 153440 bytes
        http://two.mirror.example/debian/pool/main/b/big/big_1.0_all.deb: 306884 bytes

      hint: the mirror is wrong or being changed: try again later; another mirror can be named with \`--mirror\`"
    `);
    expect(left()).toEqual([]);
  });

  test("a body without an end is cut at the known size", async () => {
    one.fault("big_1.0_all.deb", { endless: true });
    expect(await said(get([item("big")]), names())).toMatchInlineSnapshot(`
      "error: \`big_1.0_all.deb\` could not be fetched: what came has the wrong size
        expected: 306880 bytes, SHA-256 97926b8d4c8328985b796312495d24a5bb5568b9b6bc1215f0a919fd4b9e8ae0
        http://one.mirror.example/debian/pool/main/b/big/big_1.0_all.deb: more than 306880 bytes

      hint: the mirror is wrong or being changed: try again later; another mirror can be named with \`--mirror\`"
    `);
    expect(left()).toEqual([]);
  });

  test("a part that is wrong does not spoil a good mirror", async () => {
    mkdirSync(dir);
    writeFileSync(`${item("big").to}.part`, Buffer.alloc(1000, "x"));
    await get([item("big")]);
    expect(ranges(one)).toEqual(["206 bytes=1000-", "200 whole"]);
    rmSync(item("big").to);
    writeFileSync(`${item("big").to}.part`, Buffer.alloc(one.deb("big").size + 5, "x"));
    await get([item("big")]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
    expect(left()).toEqual(["big_1.0_all.deb"]);
  });
});

describe("errors", () => {
  test("a .deb that is gone everywhere is named, with what to do", async () => {
    one.fault("hello_1.0_all.deb", { status: 404 });
    two.fault("hello_1.0_all.deb", { status: 404 });
    expect(await said(get([item("hello", [one, two])]), names())).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` is gone from every mirror tried
        http://one.mirror.example/debian/pool/main/h/hello/hello_1.0_all.deb: status 404
        http://two.mirror.example/debian/pool/main/h/hello/hello_1.0_all.deb: status 404

      hint: run \`debcast update\`"
    `);
  });

  test("all that fails is told at once, and the rest is there", async () => {
    one.fault(/hello|plus/, { status: 404 });
    one.fault(/nonesuch/, { status: 403 });
    const nonesuch = { ...item("hello"), to: join(dir, "nonesuch.deb"), urls: [`${one.uri}/nonesuch.deb`], label: "nonesuch.deb" };
    expect(await said(get([item("hello"), nonesuch, item("plus"), item("big")]), names())).toMatchInlineSnapshot(`
      "error: 2 files are gone from every mirror tried
        hello_1.0_all.deb
        plus_2.0+b1_amd64.deb

      hint: run \`debcast update\`

      error: \`nonesuch.deb\` could not be fetched
        http://one.mirror.example/debian/nonesuch.deb: status 403

      hint: another mirror can be named with \`--mirror\`"
    `);
    expect(left()).toEqual(["big_1.0_all.deb"]);
  });

  test("a mirror that does not answer is named once, however many files it should have given", async () => {
    const away = await startArchive({ packages: [] });
    await away.stop();
    const files = packages.map((p) => itemFor(dir, one.deb(p.name), [away.uri]));
    expect(await said(get(files), { "http://away.mirror.example": away })).toMatchInlineSnapshot(`
      "error: 3 files could not be fetched
        http://away.mirror.example: connection refused
        wanted: hello_1.0_all.deb, plus_2.0+b1_amd64.deb, big_1.0_all.deb

      hint: look at the network; another mirror can be named with \`--mirror\`"
    `);
    await get(files.map((f, i) => ({ ...f, urls: [...f.urls, ...item(packages[i]!.name).urls] })));
    expect(left().length).toBe(3);
  });

  test("offline, nothing touches the network", async () => {
    await get([item("plus")]);
    one.requests.length = 0;
    const file = item("plus").to;
    writeFileSync(file, change.bit(readFileSync(file)));
    expect(await said(get(packages.map((p) => item(p.name)), { offline: true }), names())).toMatchInlineSnapshot(`
      "error: \`plus_2.0+b1_amd64.deb\` is damaged (the SHA-256 is not what it should be), and offline nothing is fetched

      hint: run \`debcast fetch\` while online

      error: 2 files are not in downloads/, and offline nothing is fetched
        hello_1.0_all.deb
        big_1.0_all.deb

      hint: run \`debcast fetch\` while online"
    `);
    expect(one.requests).toEqual([]);
  });

  test("a full disk is called so", async ({ skip }) => {
    if (spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", space.dir]).status !== 0) skip("no file system can be mounted here");
    using fetcher = bundledFetcher(space.dir);
    mkdirSync(dir);
    const child = fetcher.start(item("big"), ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=100k none ${dir} && exec "$@"`, "sh"]);
    expect(await child.ended).toBe(1);
    expect(child.stderr().replaceAll(dir, "DIR")).toMatchInlineSnapshot(`
      "error: \`DIR/big_1.0_all.deb\` cannot be written: no space is left there
      "
    `);
  });

  test("a damaged file that cannot be fetched again is called so", async () => {
    mkdirSync(dir);
    writeFileSync(item("hello").to, "not a .deb");
    one.fault("hello_1.0_all.deb", { status: 404 });
    expect(await said(get([item("hello")]), names())).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` is gone from every mirror tried (what is in downloads/ is damaged)
        http://one.mirror.example/debian/pool/main/h/hello/hello_1.0_all.deb: status 404

      hint: run \`debcast update\`"
    `);
  });
});

describe("what is cached", () => {
  test("a changed byte is noticed, even with size and mtime as before, and fetched again", async () => {
    await get([item("hello")]);
    const file = item("hello").to;
    const { atime, mtime } = statSync(file);
    writeFileSync(file, change.bit(readFileSync(file)), { flag: "r+" });
    utimesSync(file, atime, mtime);
    expect(await said(get([item("hello")], { offline: true }))).toMatch(/^error: `hello_1.0_all.deb` is damaged/);
    expect(await get([item("hello")])).toMatchObject({ fetched: 1 });
    expect(bytesOf("hello").equals(one.deb("hello").content)).toBe(true);
  });

  test("an untouched file is not read again", async () => {
    mkdirSync(dir);
    const file = join(dir, "file");
    const claimed = sha256("something else");
    writeFileSync(file, "content");
    expect(await isVerified(file, claimed)).toBe(false);
    await markVerified(file, claimed);
    expect(await isVerified(file, claimed)).toBe(true);
    writeFileSync(file, "content");
    expect(await isVerified(file, claimed)).toBe(false);
    expect(await isVerified(file, sha256("content"))).toBe(true);
  });

  test("the record survives a torn line, and does not grow without end", async () => {
    await get([item("hello")]);
    const record = join(dir, ".verified");
    appendFileSync(record, readFileSync(record, "utf8").slice(0, 80));
    await get([item("plus")]);
    expect(readFileSync(record, "utf8").split("\n").filter((l) => /^[0-9a-f]{64}( \d+){4} \S+\.deb$/.test(l)).length).toBe(2);
    for (let i = 0; i < 1100; i++) appendFileSync(record, `${"0".repeat(64)} 1 2 3 ${i} hello_1.0_all.deb\n`);
    await get([item("big")]);
    expect(readFileSync(record, "utf8").split("\n").length).toBe(4);
    rmSync(record);
    const states = await checkCached(packages.map((p) => ({ path: item(p.name).to, sha256: item(p.name).sha256 })));
    expect([...states.values()]).toEqual(["verified", "verified", "verified"]);
  });

  test("a name that an archive should not have is refused", async () => {
    const project = openProject(space.dir);
    expect(debPath(project, "trixie", "amd64", "pool/main/h/hello/hello_1.0_all.deb")).toBe(join(project.downloads, "deb.trixie.amd64/hello_1.0_all.deb"));
    for (const name of ["pool/..", "pool/.verified", "pool/x.part", "pool/.deb"]) {
      expect(() => debPath(project, "trixie", "amd64", name)).toThrow("which is refused");
    }
  });
});

describe("several at a time", () => {
  test("two callers that want one file share its download", async () => {
    one.fault("big_1.0_all.deb", { pace: 5 });
    const both = await Promise.all([get([item("big")]), get([item("big")])]);
    expect(one.requests.length).toBe(1);
    expect(both.map((r) => r.fetched)).toEqual([1, 1]);
  });

  test("two processes that want one file do not write into the same part", async () => {
    using fetcher = bundledFetcher(space.dir);
    one.fault("big_1.0_all.deb", { pace: 20 });
    const children = [fetcher.start(item("big")), fetcher.start(item("big"))];
    expect(await Promise.all(children.map((c) => c.ended))).toEqual([0, 0]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
    expect(left()).toEqual(["big_1.0_all.deb"]);
  });

  test("a run that was killed is taken up by the next", async () => {
    using fetcher = bundledFetcher(space.dir);
    one.fault("big_1.0_all.deb", { stallAfter: 290_000 }, 1);
    const child = fetcher.start(item("big"));
    const part = `${item("big").to}.part.${child.pid}`;
    while (!existsSync(part) || statSync(part).size === 0) await new Promise((done) => setTimeout(done, 10));
    const had = statSync(part).size;
    process.kill(child.pid, "SIGKILL");
    await child.ended;
    expect(left()).toEqual([`big_1.0_all.deb.part.${child.pid}`]);
    one.requests.length = 0;
    await get([item("big")]);
    expect(ranges(one)).toEqual([`206 bytes=${had}-`]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
    expect(left()).toEqual(["big_1.0_all.deb"]);
  });
});

describe("small files", () => {
  const small = (path: string, o: object = {}) => fetchSmall([`${one.uri}/${path}`, `${two.uri}/${path}`], { limit: 10_000, ...quick, ...o });

  test("come from the first mirror that has them", async () => {
    one.fault("InRelease", { status: 503 }, 1);
    const { body, url } = await small("dists/trixie/InRelease");
    expect(body.toString()).toContain("Codename: trixie");
    expect(url).toBe(`${one.uri}/dists/trixie/InRelease`);
    one.fault("InRelease", { status: 404 });
    expect((await small("dists/trixie/InRelease")).url).toBe(`${two.uri}/dists/trixie/InRelease`);
  });

  test("are not read beyond the limit", async () => {
    one.fault("InRelease", { endless: true });
    two.fault("InRelease", { status: 404 });
    expect(await said(small("dists/trixie/InRelease"), names())).toMatchInlineSnapshot(`
      "error: \`dists/trixie/InRelease\` could not be fetched
        http://one.mirror.example/debian/dists/trixie/InRelease: more than 10000 bytes
        http://two.mirror.example/debian/dists/trixie/InRelease: status 404"
    `);
  });

  test("that are nowhere, or stall, or may not be fetched, are an error", async () => {
    expect(await said(small("dists/trixy/InRelease"), names())).toMatchInlineSnapshot(`
      "error: \`dists/trixy/InRelease\` is not on any mirror tried
        http://one.mirror.example/debian/dists/trixy/InRelease: status 404
        http://two.mirror.example/debian/dists/trixy/InRelease: status 404"
    `);
    one.fault("InRelease", { stallAfter: 10 });
    two.fault("InRelease", { resetAfter: 10 });
    expect(await said(small("dists/trixie/InRelease", { idle: 200, retries: 1 }), names())).toMatchInlineSnapshot(`
      "error: \`dists/trixie/InRelease\` could not be fetched
        http://one.mirror.example/debian/dists/trixie/InRelease: nothing arrived for 0.2 s
        http://two.mirror.example/debian/dists/trixie/InRelease: connection was reset"
    `);
    expect(await said(small("dists/trixie/InRelease", { offline: true }), names())).toMatchInlineSnapshot(`
      "error: \`dists/trixie/InRelease\` would have to be fetched, and offline nothing is

      hint: run it while online"
    `);
  });
});

interface Child {
  readonly pid: number;
  readonly ended: Promise<number | null>;
  stderr(): string;
}

/** fetchFiles() as a program of its own, for what two processes or a kill do. `under` is a command that runs it. */
function bundledFetcher(at: string): { start(item: FetchItem, under?: string[]): Child; [Symbol.dispose](): void } {
  // Beside node_modules' packages, where a bundle finds them and the engine finds itself.
  const file = join(engineRoot, `node_modules/.cache/debcast-test-${process.pid}.mjs`);
  const code = `import { fetchFiles } from ${JSON.stringify(join(engineRoot, "lib/fetch.ts"))};
    import { renderErrors } from ${JSON.stringify(join(engineRoot, "lib/report.ts"))};
    await fetchFiles({ files: [JSON.parse(process.argv[2])], emit: () => {} }).catch((e) => {
      process.stderr.write(renderErrors(e) + "\\n");
      process.exitCode = 1;
    });`;
  writeFileSync(join(at, "entry.mjs"), code);
  buildSync({ entryPoints: [join(at, "entry.mjs")], outfile: file, bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "error" });
  return {
    start: (item, under = []) => {
      const [command, ...args] = [...under, process.execPath, file, JSON.stringify(item)];
      const child = spawn(command!, args, { stdio: ["ignore", "inherit", "pipe"] });
      let stderr = "";
      child.stderr.on("data", (d: Buffer) => (stderr += d.toString()));
      return { pid: child.pid!, ended: new Promise((done) => child.on("close", (status) => done(status))), stderr: () => stderr };
    },
    [Symbol.dispose]: () => rmSync(file, { force: true }),
  };
}
