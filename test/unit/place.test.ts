// Placing: nothing leads out of the tree, and packages that have the same file are told apart. What dpkg does with honest
// packages is in real/unpack.test.ts.
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { dpkgExcludes, openExcludes } from "../../lib/rootfs/excludes.ts";
import { openInside } from "../../lib/rootfs/inside.ts";
import { openOwners } from "../../lib/rootfs/owners.ts";
import { asPackage } from "../../lib/rootfs/package.ts";
import { placePackages } from "../../lib/rootfs/place.ts";
import { unpackedStanza } from "../../lib/rootfs/dpkg.ts";
import { storeDeb } from "../../lib/store/store.ts";
import { makeDeb, sha256, type TestDeb } from "../real/archive/deb.ts";

const work = mkdtempSync(join(tmpdir(), "debcast-place-"));
afterAll(() => rmSync(work, { recursive: true }));

async function packageOf(deb: TestDeb) {
  const bytes = await makeDeb(deb);
  const path = join(work, `${deb.name}_${sha256(bytes).slice(0, 8)}.deb`);
  writeFileSync(path, bytes);
  return asPackage(await storeDeb(path, sha256(bytes), join(work, "store")));
}

/** A tree inside of a directory that stands for the rest of this machine. */
function tree() {
  const host = mkdtempSync(join(work, "host-"));
  const root = join(host, "project/image");
  mkdirSync(root, { recursive: true });
  mkdirSync(join(host, "etc"));
  writeFileSync(join(host, "etc/passwd"), "the host's\n");
  const placing = {
    inside: openInside(root), owners: openOwners(), excluded: (_: string) => false,
    diversions: new Map(), overrides: new Map(), users: new Map(), groups: new Map(),
  };
  const place = async (deb: TestDeb) => [...placePackages(placing, [await packageOf(deb)]).values()][0]!;
  return { host, root, place, placing };
}

/** Everything outside of the image, with its content. */
function outside(host: string): Record<string, string> {
  const all: Record<string, string> = {};
  const visit = (path: string) => {
    if (path === "/project/image") return;
    const stat = lstatSync(join(host, path));
    if (!stat.isDirectory()) all[path] = readFileSync(join(host, path), "utf8");
    else for (const name of readdirSync(join(host, path))) visit(`${path}/${name}`);
  };
  visit("");
  return all;
}

describe("links that lead outside and are then written through", () => {
  const depths = ["..", "../..", "../../..", "../../../../../../../../.."];
  const targets = (host: string) => [`${host}/etc`, ...depths.map((d) => `${d}/etc`), ...depths.map((d) => `${d}${host}/etc`), "/proc/self/root/etc", "a/../../../etc"];

  test("by another package", async () => {
    const { host } = tree();
    for (const target of targets(host)) {
      const t = tree();
      const link = target.replace(host, t.host);
      await t.place({ name: "first", files: { "/usr/.keep": "", "/usr/a": { type: "symlink", linkname: link } } });
      await t.place({ name: "second", files: { "/usr/a/passwd": "evil\n", "/usr/a/d/x": "evil\n" } }).catch((e: Error & { code?: string }) => expect(e.code, e.stack).toMatch(/^unpack\./));
      expect(outside(t.host), link).toEqual({ "/etc/passwd": "the host's\n" });
    }
  });

  test("`..` ends at the root, as in a chroot", async () => {
    const { root, place } = tree();
    await place({ name: "first", files: { "/etc/.keep": "", "/a": { type: "symlink", linkname: "../../../../etc" }, "/b": { type: "symlink", linkname: "/a/../etc" } } });
    await place({ name: "second", files: { "/a/x": "inside\n", "/b/y": "inside\n" } });
    expect(readdirSync(join(root, "etc")).sort()).toEqual([".keep", "x", "y"]);
  });

  test("where a file, a conffile, a hard link or a directory is to be", async () => {
    const { host, root, place } = tree();
    mkdirSync(join(root, "etc"));
    for (const name of ["plain", "plain.conf.dpkg-new", "hard", "dir"]) symlinkSync("../../../etc/passwd", join(root, "etc", name));
    await place({ name: "files", conffiles: ["/etc/plain.conf"], files: { "/etc/plain": "new\n", "/etc/plain.conf": "new\n", "/etc/other": "new\n", "/etc/hard": { type: "link", linkname: "./etc/other" } } });
    for (const name of ["plain", "plain.conf.dpkg-new", "hard"]) {
      expect(lstatSync(join(root, "etc", name)).isFile()).toBe(true);
      expect(readFileSync(join(root, "etc", name), "utf8")).toBe("new\n");
    }
    await expect(place({ name: "dirs", files: { "/etc/dir": { type: "directory", mode: 0o777 } } })).rejects.toThrow("`/etc/dir` of `dirs_");
    expect(outside(host)).toEqual({ "/etc/passwd": "the host's\n" });
    expect(statSync(join(host, "etc")).mode & 0o777).toBe(0o755);
  });

  test("rings of links end", async () => {
    const { place } = tree();
    await place({ name: "ring", files: { "/a": { type: "symlink", linkname: "b" }, "/b": { type: "symlink", linkname: "a" } } });
    await expect(place({ name: "into", files: { "/a/x": "x" } })).rejects.toThrow("is no directory in the image, where `ring` put it");
  });

  test("what this program itself reads and writes stays inside too", () => {
    const { host, root, placing: { inside } } = tree();
    mkdirSync(join(root, "var"));
    symlinkSync("../../../etc", join(root, "var/lib"));
    mkdirSync(join(root, "etc"));
    symlinkSync(join(host, "etc/passwd"), join(root, "etc/passwd"));
    expect(inside.read("/var/lib/passwd")).toBeUndefined();
    expect(inside.read("/etc/passwd")).toBeUndefined();
    inside.write("/etc/passwd", "ours\n");
    inside.write("/var/lib/status", "ours\n");
    expect(readdirSync(join(root, "etc")).sort()).toEqual(["passwd", "status"]);
    expect(outside(host)).toEqual({ "/etc/passwd": "the host's\n" });
  });
});

describe("the same path in two packages", () => {
  test("is an error that names both", async () => {
    const { place } = tree();
    await place({ name: "one", version: "1.0", files: { "/usr/bin/x": "1" } });
    const both = place({ name: "two", version: "2.0", files: { "/usr/bin/x": "2" } });
    await expect(both).rejects.toThrow("`/usr/bin/x` of `two` (2.0) is also in `one` (1.0)");
    await expect(both).rejects.toMatchObject({ code: "unpack.conflict", hint: "leave one of the two packages out" });
  });

  test("is one file for two architectures of a package, if it is the same in both", async () => {
    const { place, root } = tree();
    const lib = (arch: string, content: string): TestDeb => ({ name: "lib", arch, fields: { "Multi-Arch": "same" }, files: { "/usr/share/doc/lib/copyright": content, "/usr/share/l": { type: "symlink", linkname: content } } });
    await place(lib("amd64", "same"));
    expect(await place(lib("i386", "same"))).toContain("/usr/share/doc/lib/copyright");
    expect(readFileSync(join(root, "usr/share/doc/lib/copyright"), "utf8")).toBe("same");
    await expect(place(lib("arm64", "diff"))).rejects.toThrow("`/usr/share/doc/lib/copyright` of `lib` (1.0) differs from the one in `lib` (1.0)");
  });

  test("is no conflict through a diversion", async () => {
    const { place, root, placing } = tree();
    placing.diversions.set("/usr/bin/x", { to: "/usr/bin/x.real", by: "wrapper" });
    await place({ name: "real", files: { "/usr/bin/x": "real" } });
    await place({ name: "wrapper", files: { "/usr/bin/x": "wrapper" } });
    expect(readFileSync(join(root, "usr/bin/x"), "utf8") + readFileSync(join(root, "usr/bin/x.real"), "utf8")).toBe("wrapperreal");
  });
});

test("a file where a directory is, and a package without its directories", async () => {
  const { place } = tree();
  await place({ name: "dir", files: { "/usr/x/y": "" } });
  await expect(place({ name: "file", files: { "/usr/x": "" } })).rejects.toThrow("is a directory in the image");
  await expect(place({ name: "orphan", entries: [{ name: "./nowhere/x", content: "" }] })).rejects.toThrow(/`\/nowhere\/x` of `orphan_\w+\.deb` has no directory to lie in/);
});

test("the first name of a hard link may be excluded", async () => {
  const { place, root, placing } = tree();
  placing.excluded = openExcludes(["/usr/a"]);
  const list = await place({ name: "hard", files: { "/usr/a": "content", "/usr/b": { type: "link", linkname: "./usr/a" }, "/usr/c": { type: "link", linkname: "./usr/b" } } });
  expect(list).toContain("/usr/a");
  expect(existsSync(join(root, "usr/a"))).toBe(false);
  expect(readFileSync(join(root, "usr/b"), "utf8")).toBe("content");
  expect(statSync(join(root, "usr/b")).ino).toBe(statSync(join(root, "usr/c")).ino);
});

test("large files, which a second thread copies, are whole when the package is in place, and times and modes are the archive's", async () => {
  const { place, root } = tree();
  const content = (i: number) => Buffer.alloc(65_530 + 500 * i, `${i} `).toString();
  const names = Array.from({ length: 150 }, (_, i) => `/usr/big/${i}`);
  await place({ name: "large", files: {
    ...Object.fromEntries(names.map((n, i) => [n, { content: content(i), mode: i % 2 ? 0o4755 : 0o640 }])),
    "/usr/big/link": { type: "link", linkname: "./usr/big/7" },
  } });
  for (const [i, n] of names.entries()) {
    expect(readFileSync(join(root, n), "utf8") === content(i), n).toBe(true);
    expect(statSync(join(root, n)).mode & 0o7777, n).toBe(i % 2 ? 0o4755 : 0o640);
  }
  expect(new Set(names.map((n) => statSync(join(root, n)).mtimeMs)).size).toBe(1);
  expect(statSync(join(root, "usr/big/link")).ino).toBe(statSync(join(root, "usr/big/7")).ino);
});

test("a tar of the store that is too short is told of, whoever copies from it", async () => {
  const { placing } = tree();
  const pkg = await packageOf({ name: "short", files: { "/usr/x": "x".repeat(200_000) } });
  truncateSync(pkg.stored.tar, 1000);
  expect(() => placePackages(placing, [pkg])).toThrow(/shorter than its index says/);
});

test("the store is copied from, never linked to", async () => {
  const { place, root } = tree();
  const deb: TestDeb = { name: "copied", files: { "/usr/x": "original", "/usr/l": { type: "symlink", linkname: "x" } } };
  await place(deb);
  writeFileSync(join(root, "usr/x"), "tampered");
  const { place: again, root: second } = tree();
  await again(deb);
  expect(readFileSync(join(second, "usr/x"), "utf8")).toBe("original");
  expect(readlinkSync(join(second, "usr/l"))).toBe("x");
});

test("excludes take along what is below, and dpkg is told the same", () => {
  const globs = ["/usr/share/man/**", "/usr/share/locale/{de,fr}*", "/etc/x.conf", "/usr/*/bin/"];
  const excluded = openExcludes(globs);
  const paths = ["/usr/share/man", "/usr/share/man/man1", "/usr/share/locale/de_AT/x", "/usr/share/locale/en", "/etc/x.conf", "/etc/x.confer", "/usr/local/bin", "/usr/local/bin/y", "/usr/a/b/bin"];
  expect(paths.filter(excluded)).toEqual(["/usr/share/man/man1", "/usr/share/locale/de_AT/x", "/etc/x.conf", "/usr/local/bin", "/usr/local/bin/y"]);
  expect(dpkgExcludes(globs)).toMatchInlineSnapshot(`
    "# What was left out when this image was made.
    path-exclude=/usr/share/man/*
    path-exclude=/usr/share/locale/de*
    path-exclude=/usr/share/locale/de*/*
    path-exclude=/usr/share/locale/fr*
    path-exclude=/usr/share/locale/fr*/*
    path-exclude=/etc/x.conf
    path-exclude=/etc/x.conf/*
    path-exclude=/usr/*/bin
    path-exclude=/usr/*/bin/*
    "
  `);
  expect(() => openExcludes(["usr/share"])).toThrow("the exclude `usr/share` is not an absolute path");
});

test("the stanza of an unpacked package", async () => {
  const pkg = await packageOf({
    name: "stanza", conffiles: ["/etc/a", "remove-on-upgrade /etc/b"], files: { "/etc/a": "" },
    fields: { Status: "install ok installed", Conffiles: "/etc/passwd 0", "Triggers-Awaited": "libc-bin", Description: "short\n long\n ." },
  });
  expect(unpackedStanza(pkg)).toMatchInlineSnapshot(`
    "Package: stanza
    Status: install ok unpacked
    Version: 1.0
    Architecture: all
    Maintainer: Test <test@mirror.example>
    Priority: optional
    Section: misc
    Installed-Size: 1
    Description: short
     long
     .
    Conffiles:
     /etc/a newconffile
     /etc/b newconffile remove-on-upgrade"
  `);
});

test("names that would become paths of the database are refused", async () => {
  const said: unknown[] = [];
  const wrong: Record<string, string>[] = [{ Package: "../x" }, { Version: "1 2" }, { Architecture: "a/b" }];
  for (const fields of wrong) said.push(await packageOf({ name: "x", fields }).catch((e: Error) => e.message.replace(/_\w+/, "")));
  expect(said).toMatchInlineSnapshot(`
    [
      "the control file of \`x.deb\` has the Package \`../x\`",
      "the control file of \`x.deb\` has the Version \`1 2\`",
      "the control file of \`x.deb\` has the Architecture \`a/b\`",
    ]
  `);
});
