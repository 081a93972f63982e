// What is in a tree, read by find and tar; and what of it is read again.
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { asBytes, readable, takeInventory } from "../../../lib/push/inventory.ts";
import { keep, kept } from "../../../lib/push/kept.ts";
import { printfFormat, withPaths } from "../../../lib/push/remote.ts";

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), "inventory-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

test("every path with all that it is, whatever it is called", async () => {
  const dir = temporary();
  const [tree, memory] = [join(dir, "tree"), join(dir, "memory")];
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(join(tree, "etc/shadow"), "root:$y$\xff:1:\n", "latin1");
  writeFileSync(Buffer.concat([Buffer.from(join(tree, "a\nb ")), Buffer.from([0xff])]), "odd");
  writeFileSync(join(tree, "ä"), "text");
  symlinkSync("ä\nb", join(tree, "link"));
  writeFileSync(join(tree, "one"), "1");
  linkSync(join(tree, "one"), join(tree, "two"));
  writeFileSync(join(tree, "hole"), "");
  truncateSync(join(tree, "hole"), 1e6);
  chmodSync(join(tree, "one"), 0o4755);
  for (const name of ["ä", "one"]) utimesSync(join(tree, name), 5, 5);
  const of = async () => takeInventory(tree, memory);
  const first = await of();
  expect([...first.items.keys()].sort()).toEqual(["/", "/a\nb \xff", "/etc", "/etc/shadow", "/hole", "/link", "/one", "/two", asBytes("/ä")].sort());
  const at = (path: string) => first.items.get(asBytes(path))!;
  expect(at("/ä")).toMatchObject({ type: "f", size: 4, mtime: 5, content: "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1" });
  expect(readable(at("/link").content)).toBe("ä\nb");
  expect([at("/one").mode, at("/one").links, at("/hole").sparse]).toEqual([0o4755, at("/two").links, true]);
  expect(at("/one").links).not.toBe("");
  expect(first.accounts).toEqual({ "/etc/shadow": "root:$y$\xff:1:\n" });

  // What is remembered is the same, and an edit that leaves size and time as they were is seen.
  expect((await of()).id).toBe(first.id);
  writeFileSync(join(tree, "ä"), "TEXT");
  utimesSync(join(tree, "ä"), 5, 5);
  const second = await of();
  expect(second.id).not.toBe(first.id);
  expect(second.items.get(asBytes("/ä"))!.content).not.toBe(at("/ä").content);
  rmSync(join(tree, "two"));
  expect((await of()).items.get("/one")!.links).toBe("");

  // By its id it is found again, and nothing else is.
  const downloads = join(dir, "downloads");
  keep(downloads, { ...first, packages: { a: "1" } });
  expect(kept(downloads, first.id)).toEqual({ ...first, packages: { a: "1" } });
  expect([kept(downloads, second.id), kept(downloads, "../x")]).toEqual([undefined, undefined]);
  writeFileSync(join(downloads, `push/${second.id}.json.gz`), readFileSync(join(downloads, `push/${first.id}.json.gz`)).subarray(0, 40));
  expect(kept(downloads, second.id)).toBe(undefined);
});

test("any bytes go to the device in a line of shell", () => {
  const all = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("");
  const line = `printf ${printfFormat(all)}`;
  expect(line).toMatch(/^[\x20-\x7e]+$/);
  expect(execFileSync("dash", ["-c", line]).toString("latin1")).toBe(all);
  const paths = ["/a b", "/it's", "/%s\\n", "/-n\n\xff", ...Array.from({ length: 20_000 }, (_, i) => `/many/${i}`)];
  expect(execFileSync("dash", [], { input: withPaths("printf '%s\\0' --", paths), maxBuffer: 1 << 24 }).toString("latin1").split("\0").filter((p) => p !== "--").slice(0, -1)).toEqual(paths);
});
