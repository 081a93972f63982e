// lib/fetch.ts against a real server that goes wrong in every way a mirror does.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { urlIn } from "../../lib/fetch.ts";
import { change } from "./archive/archive.ts";
import { itemFor, packages, recorder, said, twoMirrors } from "./fetching.ts";

const { one, two, dir, item, get, names, bytesOf, ranges, left } = await twoMirrors();

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
    await get([{ ...item("plus"), urls: [`${one.uri}/${one.deb("plus").filename}`], to: join(dir, "again.deb") }]);
    expect(one.requests.map((r) => r.path)).toEqual(Array(2).fill("/debian/pool/main/p/plus/plus_2.0%2Bb1_amd64.deb"));
    expect(urlIn("http://mirror.example/debian/", "pool/x_1%3a2+3~4_all.deb")).toBe("http://mirror.example/debian/pool/x_1%253a2%2B3~4_all.deb");
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
    expect(two.requests.length).toBe(1 + 6);
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

  test("a connection that is reset time and again is gone on with as long as enough comes", async () => {
    one.fault("big_1.0_all.deb", { resetAfter: 70_000 });
    await get([item("big")], { retries: 1 });
    expect(ranges(one)).toEqual(["200 whole", ...[70_000, 140_000, 210_000, 280_000].map((n) => `206 bytes=${n}-`)]);
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

  test("so does a server that sends another range than was asked for", async () => {
    one.fault("big_1.0_all.deb", { wrongRange: true });
    one.fault("big_1.0_all.deb", { resetAfter: 100_000 }, 1);
    await get([item("big")]);
    expect(ranges(one)).toEqual(["200 whole", "206 bytes=100000-", "200 whole"]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
  });

  test("one file's troubles are not the others'", async () => {
    one.fault("hello_1.0_all.deb", { status: 503 });
    const more = Array.from({ length: 20 }, (_, i) => ({ ...item("plus"), to: join(dir, `${i}.deb`), label: `${i}.deb` }));
    expect(await said(get([item("plus"), item("hello"), ...more], { retries: 0 }), names())).toMatchInlineSnapshot(`
      "error: \`hello_1.0_all.deb\` could not be fetched
        http://one.mirror.example/debian/pool/main/h/hello/hello_1.0_all.deb: status 503

      hint: try again, what has come so far is kept; another mirror can be named with \`--mirror\`"
    `);
    expect(left().length).toBe(21);
  });

  test("a mirror that gives nothing at all is left alone", async () => {
    one.fault(/./, { status: 503 });
    const many = Array.from({ length: 100 }, (_, i) => ({ ...item("plus"), to: join(dir, `${i}.deb`), label: `${i}.deb` }));
    expect(await said(get(many, { retries: 1 }), names())).toMatchInlineSnapshot(`
      "error: 100 files could not be fetched
        http://one.mirror.example: status 503
        wanted: 0.deb, 1.deb, 2.deb, 3.deb, 4.deb, 5.deb, 6.deb, 7.deb, 8.deb, 9.deb, and 90 more

      hint: try again, what has come so far is kept; another mirror can be named with \`--mirror\`"
    `);
    expect(one.requests.length).toBeLessThan(2 * 20);
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

  test("nothing wrong stays as a part, whatever there was before", async () => {
    mkdirSync(dir);
    writeFileSync(`${item("big").to}.part`, Buffer.alloc(1000, "x"));
    one.fault("big_1.0_all.deb", { change: change.bit });
    expect(await said(get([item("big")]), names())).toContain("what came has the wrong content");
    expect(left()).toEqual([]);
  });
});
