// What a user reads when files cannot be fetched, and small files.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fetchSmall } from "../../lib/fetch.ts";
import { change, startArchive } from "./archive/archive.ts";
import { itemFor, packages, quick, said, twoMirrors } from "./fetching.ts";

const { one, two, dir, item, get, names, left } = await twoMirrors();

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
