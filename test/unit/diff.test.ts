import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pack } from "tar-stream";
import { expect, test } from "vitest";
import type { Comparison } from "../../lib/inspect/compare.ts";
import { placeOf } from "../../lib/inspect/sides.ts";
import { formatLock, type Lock } from "../../lib/lock.ts";
import { writeMade } from "../../lib/made.ts";
import type { Project } from "../../lib/project.ts";
import { difference, placesOf, verb } from "../../lib/verbs/diff.ts";
import type { Context, Outcome } from "../../lib/verbs/verb.ts";
import { emptyProject, plant, scratch, type SmallPackage } from "./trees.ts";

async function diff(project: Project, [a, b]: readonly [string, string], options = {}): Promise<Outcome & { data: Comparison & { same: boolean } }> {
  return (await difference({ project, options }, [placeOf(project, a), placeOf(project, b)])) as never;
}

/** Code and message of what it refuses. */
async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (e) {
    return `${(e as { code: string }).code}: ${(e as Error).message}`;
  }
  throw new Error("nothing was refused");
}

function tar(tree: string, file: string, ...options: string[]): string {
  execFileSync("tar", ["-C", tree, "--create", `--file=${file}`, "--sort=name", ...options, "."]);
  return file;
}

/** A tarball of one member. */
async function packed(file: string, header: { name: string; type?: "link"; linkname?: string; pax?: object }, content = ""): Promise<void> {
  const p = pack();
  p.entry(header, content);
  p.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of p) pieces.push(piece as Uint8Array);
  writeFileSync(file, Buffer.concat(pieces));
}

/** Longer than a header has room for. */
const long = `${"long".repeat(30)}/${"name".repeat(30)}`;
const hostile = Buffer.concat([Buffer.from("ev\x1b[2Jil\n"), Buffer.from([0xff, 0xfe])]);

function awkward(root: string): string {
  plant(root, [{ name: "one", version: "1", files: { "/bin/one": "1" } }], { [`/${long}`]: "x", "/etc/ümlaut": "ü", "/etc/link": `→ ${long}`, "/first": "same" });
  linkSync(join(root, "first"), join(root, "second"));
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), hostile]), "boo");
  chmodSync(join(root, "first"), 0o4711);
  mkdirSync(join(root, "sticky"));
  chmodSync(join(root, "sticky"), 0o1777);
  return root;
}

const same: SmallPackage = { name: "same", version: "1", files: { "/etc": undefined, "/etc/same.conf": "a=1\n" } };

test("packages with their files, then the files that no changed package explains with the steps that made them", async () => {
  const project = emptyProject();
  plant(join(project.imageDir, "old"), [
    same, { name: "gone", version: "1.0", kilobytes: 10, files: { "/usr/share/gone": undefined, "/usr/share/gone/a": "12345" } },
    { name: "tool", version: "1:1.0-1", kilobytes: 100, files: { "/bin/tool": "old", "/usr/lib/tool.so": "library" } },
  ], { "/etc/hostname": "old\n", "/etc/removed": "x", "/var/cache/tool": "→ a", "/etc/odd": "→ same.conf" });
  plant(join(project.imageDir, "new"), [
    { ...same, files: { ...same.files, "/etc/same.conf": "a=2\n" } },
    { name: "tool", version: "1:1.1-1", kilobytes: 104, files: { "/bin/tool": "newer", "/usr/share/tool": "data" } },
    { name: "more", version: "2", arch: "i386", kilobytes: 3, files: { "/usr/lib/more.py": "pass", "/usr/lib/__pycache__": undefined } },
  ], { "/etc/hostname": "new!\n", "/var/cache/tool": "→ b", "/usr/lib/__pycache__/more.cpython-313.pyc": "compiled", "/etc/odd": "now a file", "/etc/added": "y" });
  const where = (line: number) => ({ file: join(process.cwd(), "base/host.ts"), line, column: 3, scriptlet: "host" });
  writeMade(project, "old", [{ path: "/etc/removed", step: "write", where: where(4) }]);
  writeMade(project, "new", [{ path: "/etc/hostname", step: "write", where: where(5) }]);
  const { text, code, data } = await diff(project, ["old", "new"]);
  expect(text).toMatchInlineSnapshot(`
    "packages: 1 added, 1 removed, 1 changed
                                      installed  in files
      - gone       1.0                 −10.2 kB     −42 B  3 removed
      + more:i386  2                    +3.1 kB     +53 B  4 added
      ~ tool       1:1.0-1 → 1:1.1-1    +4.1 kB      −2 B  1 added, 1 removed, 2 changed

    files that no changed package explains: 1 added, 1 removed, 5 changed, +7 B
      + /etc/added            +1 B
      ~ /etc/hostname         content +1 B         base/host.ts:5:3 (host): write
      ~ /etc/odd              type symlink → file
      - /etc/removed          −1 B                 base/host.ts:4:3 (host): write
      ~ /etc/same.conf        content              package same
      ~ /var/cache/tool       target a → b
      ~ /var/lib/dpkg/status  content −4 B

    total: 523 B → 539 B (+16 B)"
  `);
  expect(code).toBe(1);
  expect(data.packages.find((p) => p.name === "tool")).toEqual({
    name: "tool", change: "changed", from: "1:1.0-1", to: "1:1.1-1", installed: 4096, files: { added: 1, removed: 1, changed: 2, bytes: -2 },
  });
  expect(data.files!.find((f) => f.path === "/etc/odd")).toEqual({ path: "/etc/odd", change: "changed", what: [{ aspect: "type", from: "symlink", to: "file" }], bytes: 10 });
});

test("what differs in a path: content of the same size and time, mode, time, target", async () => {
  const project = emptyProject();
  for (const [name, word] of [["a", "one"], ["b", "two"]] as const) {
    const root = plant(join(project.imageDir, name), [], { "/content": word, "/mode": "", "/time": "", "/link": `→ ${word}`, "/same": "x" });
    chmodSync(join(root, "mode"), name === "a" ? 0o644 : 0o4755);
    for (const file of ["content", "mode", "same"]) utimesSync(join(root, file), 1e9, 1e9);
    utimesSync(join(root, "time"), 1e9, name === "a" ? 1e9 : 2e9);
  }
  expect((await diff(project, ["a", "b"])).text).toMatchInlineSnapshot(`
    "files: 3 changed, 0 B
      ~ /content  content
      ~ /link     target one → two
      ~ /mode     mode 0644 → 4755

    total: 10 B → 10 B (0 B)"
  `);
  const timed = (await diff(project, ["a", "b"], { times: true })).data.files!.filter((f) => f.path === "/time");
  expect(timed[0]!.what).toEqual([{ aspect: "time", from: "2001-09-09T01:46:40Z", to: "2033-05-18T03:33:20Z" }]);
});

test("a tree and its tarball are the same, however it is packed, with awkward names and hard links; two tarballs are, too", async () => {
  const project = emptyProject();
  const root = awkward(join(project.imageDir, "a"));
  const files = [
    ...[".tar", ".tar.zst", ".tar.gz", ".tar.xz"].map((suffix) => tar(root, join(project.outDir, `a${suffix}`), "--format=posix", "--auto-compress")),
    tar(root, join(project.outDir, "gnu.tar"), "--format=gnu"),
  ];
  for (const file of files) expect({ file, ...(await diff(project, ["a", file])) }).toEqual({ file, text: "nothing differs", data: expect.objectContaining({ same: true }), code: 0 });
  expect((await diff(project, ["a.tar", "gnu.tar"])).code).toBe(0);
  writeFileSync(join(root, "first"), "diff");
  const changed = await diff(project, ["a.tar.zst", "a"]);
  expect(changed.data.files!.map((f) => [f.path, f.what[0]!.aspect])).toEqual([["/first", "content"], ["/second", "content"]]);
  expect(changed.data.bytes!.from).toBe(changed.data.bytes!.to);
});

test("names that a terminal would obey are shown and not sent", async () => {
  const project = emptyProject();
  awkward(join(project.imageDir, "a"));
  plant(join(project.imageDir, "b"), [{ name: "evil\x1b[31m", version: "1\x07", files: {} }]);
  const { text } = await diff(project, ["b", "a"]);
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  expect(text).toContain("+ /ev\\x1b[2Jil\\x0a\ufffd\ufffd");
  expect(text).toContain("- evil\\x1b[31m");
});

test("a directory that came whole is one line, but not when steps made what is in it", async () => {
  const project = emptyProject();
  plant(join(project.imageDir, "a"), []);
  const files = (dir: string) => Object.fromEntries(["p", "q", "r", "s/t"].map((f) => [`${dir}/${f}`, "12"]));
  plant(join(project.imageDir, "b"), [], { ...files("/opt"), "/opt-not": "1", ...files("/made") });
  writeMade(project, "b", [{ path: "/made/q", step: "copy", where: { file: "base/x.ts", line: 1 } }]);
  expect((await diff(project, ["a", "b"])).text).toMatchInlineSnapshot(`
    "files: 13 added, +17 B
      + /made
      + /made/p    +2 B
      + /made/q    +2 B             base/x.ts:1: copy
      + /made/r    +2 B
      + /made/s
      + /made/s/t  +2 B
      + /opt/      +8 B in 5 paths
      + /opt-not   +1 B

    total: 6 B → 23 B (+17 B)"
  `);
});

test("diversions, and a package of two architectures", async () => {
  const project = emptyProject();
  const tree = (name: string, version: string) => {
    const lib = (arch: string): SmallPackage => ({ name: "lib", arch, version, files: { [`/usr/lib/${arch}/lib.so`]: version } });
    const root = plant(join(project.imageDir, name), [lib("amd64"), lib("i386"), { name: "sh", version, files: { "/bin/sh": "" } }], { "/usr/bin/sh.old": version });
    writeFileSync(join(root, "var/lib/dpkg/diversions"), "/bin/sh\n/bin/sh.old\nother\n");
  };
  tree("a", "1");
  tree("b", "2");
  const { data } = await diff(project, ["a", "b"]);
  expect(data.packages.map((p) => [p.name, p.files!.changed])).toEqual([["lib", 1], ["lib:i386", 1], ["sh", 1]]);
  expect(data.files!.map((f) => f.path)).toEqual(["/var/lib/dpkg/status"]);
});

const lock = (debs: Record<string, string>): Lock => ({
  suite: "trixie", arch: "amd64", archives: [{ name: "main", suite: "trixie", components: ["main"], date: 1_700_000_000, indexes: [] }], patterns: new Map(), ledger: { users: new Map(), groups: new Map() },
  debs: Object.entries(debs).map(([name, version]) => ({
    name, version, arch: "amd64", archive: "main", filename: `pool/${name}.deb`, size: 1, sha256: "0".repeat(64), fields: { "Installed-Size": "7" },
    roles: [name === "tar" ? "tools" : "image"],
  })),
});

test("locks are compared by their packages, with each other and with trees; tools do not count", async () => {
  const project = emptyProject();
  writeFileSync(join(project.confDir, "a.lock"), formatLock(lock({ one: "1", two: "1", tar: "1" })));
  writeFileSync(join(project.confDir, "b.lock"), formatLock(lock({ one: "2", three: "1", tar: "2" })));
  plant(join(project.imageDir, "a"), ["one", "two"].map((name) => ({ name, version: "1", files: {} })));
  const { text, data } = await diff(project, ["a.lock", "b.lock"]);
  expect(text).toMatchInlineSnapshot(`
    "packages: 1 added, 1 removed, 1 changed
                      installed
      ~ one    1 → 2        0 B
      + three  1        +7.2 kB
      - two    1        −7.2 kB

    total: 0 B by what the packages say of themselves; a lock knows no files"
  `);
  expect(data.files).toBeUndefined();
  expect((await diff(project, ["a", "a.lock"])).text).toBe("nothing differs");
  expect((await diff(project, [join(project.confDir, "a.lock"), "a"])).code).toBe(0);
});

test("capabilities are compared where both sides tell of them", async () => {
  const project = emptyProject();
  for (const [name, cap] of [["a", "x"], ["b", "y"]] as const) {
    const header = { name: "./bin/ping", pax: { "SCHILY.xattr.security.capability": cap } };
    await packed(join(project.outDir, `${name}.tar`), header, "ping");
  }
  expect((await diff(project, ["a.tar", "b.tar"])).data.files!.map((f) => f.what)).toEqual([[{ aspect: "attributes" }]]);
});

test("tarballs that are none, are cut off or are out to harm are refused by name, and nothing is written", async () => {
  const dir = scratch();
  const project = emptyProject();
  const root = awkward(join(dir, "tree"));
  const whole = readFileSync(tar(root, join(dir, "whole.tar")));
  const member = (name: string, header: Parameters<typeof packed>[1], content?: string) => packed(join(dir, name), header, content);
  writeFileSync(join(dir, "cut.tar"), whole.subarray(0, 3000));
  writeFileSync(join(dir, "text.tar"), "no tar at all".repeat(100));
  writeFileSync(join(dir, "text.tar.zst"), "no zstd");
  writeFileSync(join(dir, "text.tar.gz"), "no gzip");
  await member("link.tar", { name: "a", type: "link", linkname: "b\x1b" });
  await member("sparse.tar", { name: "a", pax: { "GNU.sparse.major": "1" } }, "x");
  await member("up.tar", { name: "../../up" }, "x");
  const say = (name: string) => refusal(() => diff(project, [join(dir, name), join(dir, "up.tar")]));
  expect(await say("cut.tar")).toMatchInlineSnapshot(`"diff.broken: \`cut.tar\` cannot be read as a tarball: Unexpected end of data"`);
  expect(await say("text.tar")).toMatchInlineSnapshot(`"diff.broken: \`text.tar\` cannot be read as a tarball: Invalid tar header. Maybe the tar is corrupted or it needs to be gunzipped?"`);
  expect(await say("text.tar.zst")).toMatchInlineSnapshot(`"run.failed: could not decompress \`text.tar.zst\`: \`zstd -dcq\` ended with status 1"`);
  expect(await say("text.tar.gz")).toMatchInlineSnapshot(`"run.failed: could not decompress \`text.tar.gz\`: \`gzip -dc\` ended with status 1"`);
  expect(await say("link.tar")).toMatchInlineSnapshot(`"diff.broken: \`link.tar\` cannot be read as a tarball: \`/a\` is a hard link to \`/b\\x1b\`, which is not there"`);
  expect(await say("sparse.tar")).toMatchInlineSnapshot(`"diff.member: \`/a\` in \`sparse.tar\` is stored in a way that debcast does not read (sparse, or a part of a volume)"`);
  const before = readdirSync(dir);
  expect((await diff(project, [join(dir, "up.tar"), join(dir, "up.tar")])).code).toBe(0);
  expect(readdirSync(dir)).toEqual(before);
});

test("arguments: two are wanted, and what is not there is named; the status says that nothing was compared", async () => {
  const project = emptyProject();
  mkdirSync(join(project.imageDir, "gateway"));
  writeFileSync(join(project.dir, "file"), "");
  const say = (...args: string[]) => refusal(() => placesOf({ project, args }));
  expect(await say()).toMatchInlineSnapshot(`"usage: \`debcast diff\` compares two things, and nothing was given"`);
  expect(await say("gateway")).toMatchInlineSnapshot(`"usage: \`debcast diff\` compares two things, and only \`gateway\` was given"`);
  expect(await say("gateway", "gatewya")).toMatchInlineSnapshot(`"diff.absent: there is no image \`gatewya\`"`);
  expect(await say("gateway", "./nowhere")).toMatchInlineSnapshot(`"diff.absent: there is no directory \`./nowhere\`"`);
  expect(await say("gateway", "x.lock")).toMatchInlineSnapshot(`"diff.absent: there is no lock \`x.lock\`"`);
  expect(await say("gateway", "x.tar.gz")).toMatchInlineSnapshot(`"diff.absent: there is no tarball \`x.tar.gz\`"`);
  expect((await say("gateway", join(project.dir, "file"))).replace(project.dir, "DIR")).toMatchInlineSnapshot(`"diff.kind: \`DIR/file\` is no image, lock or tarball"`);
  await expect(verb.run({ project, args: ["gateway", "nothing"], options: {} } as unknown as Context)).rejects.toMatchObject({ exit: 2, hint: "there are `gateway`" });
});
