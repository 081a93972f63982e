import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { indexedSha256, indexPackages, openIndex } from "../../lib/deb/index.ts";
import { stanzas, told } from "./packages.ts";

let dir: string;
beforeAll(() => (dir = mkdtempSync(join(tmpdir(), "debcast-index-"))) as unknown as void);
afterAll(() => rmSync(dir, { recursive: true }));

function index(text: string) {
  const file = join(dir, `${Math.random()}.Packages`);
  writeFileSync(file, text);
  return { file, sha256: indexPackages(file), packages: openIndex(file, "main") };
}

const text = stanzas(`
  zlib1g 1:1.3
  Provides: libz1

  a 1
  Provides: virtual, other (= 2), FOLD folded, FOLD last

  libz1 0.9

  a 2
  Provides: virtual

  a-b 1 all
`).replaceAll(" FOLD", "\n");

test("names, several versions of a name, and what provides a name", () => {
  const { packages } = index(text);
  expect([...packages.names()]).toEqual(["a", "a-b", "libz1", "zlib1g"]);
  expect(packages.find("a").map((d) => d.version)).toEqual(["1", "2"]);
  expect(packages.providers("virtual").map((d) => d.version)).toEqual(["1", "2"]);
  expect(["libz1", "other", "folded", "last"].map((n) => packages.providers(n).map((d) => d.name).join())).toEqual(["zlib1g", "a", "a", "a"]);
  expect([packages.find("libz1").length, packages.find("virtual").length, packages.find("").length, packages.find("zzz").length, packages.find("A").length]).toEqual([1, 0, 0, 0, 0]);
});

test("every one of many names is found, and none between them", () => {
  const names = Array.from({ length: 500 }, (_, i) => `p${(i * 7919) % 1000}${"+".repeat(i % 3)}`);
  const { packages } = index(stanzas([...new Set(names)].map((n) => `${n} 1`).join("\n\n")));
  expect(names.filter((n) => packages.find(n)[0]?.name !== n)).toEqual([]);
  expect(names.map((n) => `${n}x`).filter((n) => packages.find(n).length > 0)).toEqual([]);
});

test("fields in another order, UTF-8, and no line break at the end", () => {
  const { packages } = index(`Maintainer: René\nProvides: v\n${stanzas("a 1").trim()}\n\nMaintainer: Jürgen\n${stanzas("b 2").trim()}`);
  expect([packages.find("a")[0]?.version, packages.find("b")[0]?.version, packages.providers("v")[0]?.name]).toEqual(["1", "2", "a"]);
});

test("an empty index", () => {
  const { packages } = index("");
  expect([[...packages.names()], packages.find("a")]).toEqual([[], []]);
});

test("the list of names says which file it was made from", () => {
  const { file, sha256 } = index(text);
  expect(indexedSha256(file)).toBe(sha256);
  writeFileSync(`${file}.names`, "something else");
  expect(indexedSha256(file)).toBeUndefined();
  expect(indexedSha256(join(dir, "absent"))).toBeUndefined();
});

test("a stanza that cannot be right is refused when it is read", async () => {
  const find = (t: string) => told(Promise.resolve().then(() => index(t).packages.find("a")));
  expect(await find(stanzas("a 1").replace("pool/", "../../"))).toMatchInlineSnapshot(`"error: the index of the archive \`main\` has \`a\` with a wrong Filename"`);
  expect(await find(stanzas("a 1").replace(/SHA256.*/, "SHA256: 1"))).toMatchInlineSnapshot(`"error: the index of the archive \`main\` has \`a\` with a wrong SHA256"`);
  expect(await find(stanzas("a 1").replace(/Size.*\n/, ""))).toMatchInlineSnapshot(`"error: the index of the archive \`main\` has \`a\` with no Size"`);
});
