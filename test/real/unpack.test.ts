// What we unpack, and what dpkg itself unpacks of the same .debs: trees and databases must not differ. Without any image: this
// machine's dpkg works on another root, and the packages have no scripts.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { beginDatabase } from "../../lib/rootfs/dpkg.ts";
import { dpkgExcludes, openExcludes } from "../../lib/rootfs/excludes.ts";
import { openInside } from "../../lib/rootfs/inside.ts";
import { openOwners } from "../../lib/rootfs/owners.ts";
import { asPackage } from "../../lib/rootfs/package.ts";
import { placeAll, recordAll, type Unpacking } from "../../lib/rootfs/unpack.ts";
import { ensureStored } from "../../lib/store/store.ts";
import { debDate, makeDeb, sha256, type TestDeb } from "./archive/deb.ts";
import { compareTrees, readTree } from "./treediff.ts";

const reason = process.getuid?.() !== 0 ? "dpkg unpacks only for root" : spawnSync("dpkg", ["--version"]).error ? "this machine has no dpkg" : spawnSync("getfattr", ["--version"]).error ? "attr is not installed" : undefined;
if (reason) console.warn(`skipped: ${reason}`);

const work = mkdtempSync(join(tmpdir(), "debcast-unpack-"));
afterAll(() => rmSync(work, { recursive: true }));

/** The file triggers of a system with a kernel, a desktop and Python, and which of them are not waited for. */
const fileTriggers = `
/usr/lib32 noawait
/usr/share/debianutils/shells.d noawait
/usr/lib/systemd/catalog noawait
/usr/lib/binfmt.d noawait
/usr/lib/sysctl.d noawait
/etc/dbus-1/system.d noawait
/usr/share/dbus-1/system-services noawait
/usr/lib/udev/hwdb.d noawait
/lib/udev/hwdb.d noawait
/usr/lib/x86_64-linux-gnu/gio/modules noawait
/usr/share/glib-2.0/schemas await
/usr/share/fonts noawait
/usr/share/mime/packages noawait
/usr/lib/gdk-pixbuf-2.0/2.10.0/loaders noawait
/usr/lib/python3/dist-packages await
/usr/share/man await
`.trim().split("\n").map((l) => l.split(" ") as [string, "await" | "noawait"]);

const file = (content: string, mode = 0o644) => ({ content, mode, mtime: new Date(1_500_000_000_000) });
const base: TestDeb = {
  name: "base-files", fields: { Essential: "yes" },
  files: {
    "/lib": { type: "symlink", linkname: "usr/lib" }, "/usr/lib/.keep": "", "/usr/share/doc/base-files/copyright": "c",
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\nmail:x:8:8::/:/bin/sh\n", "/etc/group": "root:x:0:\nmail:x:8:\nadm:x:4:\n",
    "/usr/bin/.keep": "", "/etc/dpkg/dpkg.cfg.d/.keep": "", "/old/.keep": "",
  },
};

interface Case {
  readonly configured: readonly TestDeb[];
  readonly unpacked: readonly TestDeb[];
  readonly diversions?: string;
  readonly overrides?: string;
  readonly excludes?: readonly string[];
}

type Saved = { path: string; sha256: string; label: string };

async function save(debs: readonly TestDeb[]): Promise<Saved[]> {
  return Promise.all(debs.map(async (d) => {
    const bytes = await makeDeb(d);
    const path = join(work, `${sha256(bytes).slice(0, 12)}.deb`);
    writeFileSync(path, bytes);
    return { path, sha256: sha256(bytes), label: `${d.name}.deb` };
  }));
}

function dpkg(root: string, args: readonly string[], input = ""): void {
  execFileSync("dpkg", [`--root=${root}`, "--log=/dev/null", "--force-depends", "--force-not-root", "--force-unsafe-io", ...args], { input, stdio: ["pipe", "pipe", "pipe"] });
}

async function unpackOurselves(u: Unpacking, debs: readonly Saved[]): Promise<void> {
  u.inside.forget();
  const stored = await ensureStored({ debs, dir: join(work, "store"), emit: () => {} });
  recordAll(u, placeAll(u, debs.map((d) => asPackage(stored.get(d.sha256)!))));
}

/** Differences between what we do and what dpkg does. */
async function differences(c: Case): Promise<string[]> {
  const [first, second] = [await save([base, ...c.configured]), await save(c.unpacked)];
  const roots = ["ours", "dpkg"].map((name) => join(mkdtempSync(join(work, "case-")), name)) as [string, string];
  const [ours, theirs] = roots;
  const excluded = openExcludes(c.excludes ?? []);
  for (const root of roots) {
    mkdirSync(root);
    beginDatabase(openInside(root), "amd64");
  }
  const u = { inside: openInside(ours), owners: openOwners(), excluded: () => false };
  await unpackOurselves(u, first);
  dpkg(theirs, ["--unpack", ...first.map((d) => d.path)]);
  for (const root of roots) {
    dpkg(root, ["--configure", "-a"]);
    writeFileSync(join(root, "var/lib/dpkg/diversions"), c.diversions ?? "");
    writeFileSync(join(root, "var/lib/dpkg/statoverride"), c.overrides ?? "");
  }
  await unpackOurselves({ ...u, excluded }, second);
  const options = dpkgExcludes(c.excludes ?? []).split("\n").filter((l) => l.startsWith("path-")).map((l) => `--${l}`);
  dpkg(theirs, [...options, "--no-triggers", "--unpack", ...second.map((d) => d.path)]);
  // Takes up triggers/Unincorp, and writes the status file anew.
  for (const root of roots) dpkg(root, ["--set-selections"]);
  const [a, b] = roots.map((root) => readTree(root, { epoch: debDate, normalise })) as [ReturnType<typeof readTree>, ReturnType<typeof readTree>];
  return compareTrees(a, b, ["ours", "dpkg"]).filter((d) => !/^\/var\/lib\/dpkg\/(lock|.*-old|.*\/Lock|available|arch-native)/.test(d.path)).map((d) => `${d.path} ${d.what}`);
}

function normalise(path: string, content: Buffer): Buffer {
  return /\/triggers\/|\/status$/.test(path) ? Buffer.from(content.toString().split("\n").map((l) => (l.startsWith("Triggers-") ? l.split(" ").sort().join(" ") : l)).sort().join("\n")) : content;
}

test.skipIf(reason)("files, modes, times, links and conffiles", async () => {
  expect(await differences({
    configured: [],
    unpacked: [{
      name: "plain", arch: "amd64", fields: { "Multi-Arch": "same", Depends: "base-files" },
      conffiles: ["/etc/plain.conf", "/etc/plain.d/b", "remove-on-upgrade /etc/gone"],
      control: { symbols: "x\n", templates: "Template: a\n" },
      files: {
        "/etc/plain.conf": file("a\n"), "/etc/plain.d/b": file("b\n"), "/usr/bin/su": file("#!", 0o4755), "/usr/bin/group": { ...file("#!", 0o2755), gid: 8, gname: "mail" },
        "/usr/share/odd": { ...file("x", 0o600), uid: 4711, uname: "nobody-has-this-name" }, "/usr/share/sticky": { type: "directory", mode: 0o1777, mtime: new Date(1_400_000_000_000) },
        "/usr/share/named": { ...file("x"), uid: 99, uname: "mail", gid: 99, gname: "adm" },
        "/lib/through-link": file("through"), "/usr/share/empty": file(""), "/usr/share/large": file("large".repeat(500_000)),
        "/usr/share/link": { type: "symlink", linkname: "../lib/nowhere", mtime: new Date(1_400_000_000_000) },
        "/usr/share/absolute": { type: "symlink", linkname: "/etc/passwd" }, "/usr/share/doc/base-files": { type: "symlink", linkname: "plain" },
        "/usr/share/hard1": { type: "link", linkname: "./usr/share/large" }, "/usr/share/zhard2": { type: "link", linkname: "./usr/share/hard1" },
      },
      entries: [{ name: "./old", type: "symlink", linkname: "usr" }],
    }],
  })).toEqual([]);
});

test.skipIf(reason)("Replaces, in both orders", async () => {
  const text = (by: string) => ({ [`/usr/share/${by}`]: file(by), "/usr/share/both": file(by) });
  const winner: TestDeb = { name: "winner", version: "2", fields: { Replaces: "loser (<< 3)" }, files: text("winner") };
  const loser: TestDeb = { name: "loser", version: "2", files: text("loser") };
  expect(await differences({ configured: [loser], unpacked: [winner] })).toEqual([]);
  expect(await differences({ configured: [winner], unpacked: [loser] })).toEqual([]);
  expect(await differences({ configured: [], unpacked: [loser, winner] })).toEqual([]);
  expect(await differences({ configured: [], unpacked: [winner, loser] })).toEqual([]);
});

test.skipIf(reason)("diversions and statoverrides", async () => {
  expect(await differences({
    configured: [],
    diversions: "/usr/bin/tool\n/usr/bin/tool.real\ndiverter\n/etc/d.conf\n/etc/d.conf.real\n:\n",
    overrides: "root mail 2750 /usr/bin/special\nmail adm 0711 /usr/share/dir\n",
    unpacked: [
      { name: "diverter", files: { "/usr/bin/tool": file("diverter") } },
      { name: "tool", conffiles: ["/etc/d.conf"], files: { "/usr/bin/tool": file("tool"), "/usr/bin/special": file("x"), "/usr/share/dir/x": file("x"), "/etc/d.conf": file("d") } },
    ],
  })).toEqual([]);
});

test.skipIf(reason)("excluded paths are listed and not placed", async () => {
  expect(await differences({
    configured: [],
    excludes: ["/usr/share/doc/**", "/usr/share/man", "/etc/left-out.conf"],
    unpacked: [{
      name: "documented", conffiles: ["/etc/left-out.conf"],
      files: { "/usr/share/doc/documented/README": file("x"), "/usr/share/man/man1/x.1": file("x"), "/usr/share/manual": file("x"), "/etc/left-out.conf": file("x"), "/usr/share/doc/documented/l": { type: "symlink", linkname: "README" } },
    }],
  })).toEqual([]);
});

const watchers = fileTriggers.map(([path, how], i): TestDeb => ({
  name: `watcher${i}`, control: { triggers: `interest${how === "noawait" ? "-noawait" : ""} ${path}\n` },
}));

test.skipIf(reason).each(fileTriggers)("a file below %s", async (path) => {
  expect(await differences({
    configured: watchers,
    unpacked: [{ name: "touching", files: { [`${path}/deep/file`]: file("x") } }, { name: "not-touching", files: { [`${path}x`]: file("x") } }],
  })).toEqual([]);
});

test.skipIf(reason)("triggers by name, in all kinds of waiting, and interests of packages not yet configured", async () => {
  const kinds = ["", "-await", "-noawait"];
  expect(await differences({
    configured: kinds.map((k) => ({ name: `interested${k}`, control: { triggers: `# a comment\ninterest${k} name${k}\n` } })),
    unpacked: [
      ...kinds.flatMap((k) => kinds.map((j) => ({ name: `active${k}-for${j}`, control: { triggers: `activate${k} name${j}\nactivate unknown\n` } }))),
      { name: "late", control: { triggers: "interest name\ninterest /usr/share/late\n" } },
      { name: "touching-late", arch: "amd64", fields: { "Multi-Arch": "same" }, control: { triggers: "activate name-await\n" }, files: { "/usr/share/late/x": file("x") } },
    ],
  })).toEqual([]);
});
