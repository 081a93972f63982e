// Every verb as a user meets it: what it prints, what it leaves, how it ends.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debcast, debcastOk, isRoot, project, sharedDownloads, skipUnless } from "./debcast.ts";
import { said, smallConf } from "./said.ts";

const builds = skipUnless(isRoot && spawnSync("dpkg-deb", ["--version"]).status === 0, "needs root, and dpkg-deb to make a package with");

const p = project({
  "conf/base.ts": smallConf(["mine"]),
  "base/mine.ts": `import { installDeb, run } from "debcast";
installDeb("hello", "./local.deb");
run(({ write, append, remove, inImage }) => {
  write("/etc/mine.conf", "one\\n");
  append("/etc/mine.conf", "two\\n");
  append("/etc/profile", "# mine\\n");
  remove("/usr/share/doc/hello");
  inImage\`hello; touch /var/lib/by-command\`;
});
`,
  "base/quiet.ts": 'import { installDeb } from "debcast";\ninstallDeb("hello");\n',
  "base/idle.ts": 'import { run } from "debcast";\nrun(({ inImage }) => { inImage`true`; });\n',
});
const at = { cwd: p.dir };
const ok = async (line: string) => (await debcastOk(line.split(" "), at)).stdout;
const fails = async (line: string, where = at) => {
  const r = await debcast(line === "" ? [] : line.split(" "), where);
  expect(r.stdout).toBe("");
  return `${said(r.stderr, p.dir)}\nstatus ${r.status}`;
};

beforeAll(async () => {
  localDeb(join(p.dir, "base/mine"));
  if (!builds.skip) await debcastOk(["image"], at);
});
afterAll(() => p[Symbol.dispose]());

/** Its postinst makes a file that it does not ship. */
function localDeb(dir: string): void {
  const tree = join(dir, "tree");
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  writeFileSync(join(tree, "DEBIAN/control"), "Package: local\nVersion: 1.0\nArchitecture: all\nDepends: hello\nMaintainer: Nobody <nobody@example.org>\nDescription: ours\n");
  writeFileSync(join(tree, "DEBIAN/postinst"), "#!/bin/sh\necho local speaks\necho made >/etc/by-postinst\n");
  chmodSync(join(tree, "DEBIAN/postinst"), 0o755);
  execFileSync("dpkg-deb", ["--root-owner-group", "-b", tree, join(dir, "local.deb")], { stdio: "ignore" });
}

test("the command line: unknown verbs, options and arguments end with 2 and say what would do", async () => {
  const lines = ["imgae", "frobnicate", "--nope", "image --nope", "image --jsn", "image --out", "image --json=3", "image extra", "why", "deps", "-c", "toString"];
  const all = [];
  for (const line of lines) all.push(`$ debcast ${line}\n${await fails(line)}`);
  expect(all.join("\n\n")).toMatchInlineSnapshot(`
    "$ debcast imgae
    error: there is no verb \`imgae\`

    hint: did you mean \`debcast image\`?
    status 2

    $ debcast frobnicate
    error: there is no verb \`frobnicate\`

    hint: \`debcast --help\` lists the verbs
    status 2

    $ debcast --nope
    error: no verb is given

    hint: \`debcast --help\` lists the verbs
    status 2

    $ debcast image --nope
    error: \`debcast image\` has no option \`--nope\`

    hint: debcast image [--out DIR]
          \`debcast image --help\` tells more
    status 2

    $ debcast image --jsn
    error: \`debcast image\` has no option \`--jsn\`; did you mean \`--json\`?

    hint: debcast image [--out DIR]
          \`debcast image --help\` tells more
    status 2

    $ debcast image --out
    error: \`--out\` wants a value

    hint: debcast image [--out DIR]
          \`debcast image --help\` tells more
    status 2

    $ debcast image --json=3
    error: \`--json\` takes no value

    hint: debcast image [--out DIR]
          \`debcast image --help\` tells more
    status 2

    $ debcast image extra
    error: \`extra\` is one argument too many

    hint: debcast image [--out DIR]
          \`debcast image --help\` tells more
    status 2

    $ debcast why
    error: \`debcast why\` wants a package or a path

    hint: debcast why bluez
          debcast why /etc/hostname
          debcast why --rebuild
    status 2

    $ debcast deps
    error: \`debcast deps\` wants an argument

    hint: debcast deps PKG… [--write FILE]
          \`debcast deps --help\` tells more
    status 2

    $ debcast -c
    error: no verb is given

    hint: \`debcast --help\` lists the verbs
    status 2

    $ debcast toString
    error: there is no verb \`toString\`

    hint: \`debcast --help\` lists the verbs
    status 2"
  `);
});

test("the command line: wrong projects, confs and names end with 1", async () => {
  const lines = ["plan -C nowhere", "plan -c bsae", "tar -o x.zip", "try mien", "try nothing-like-it", "update hllo", "why hell", "why etc/passwd", "log nobody"];
  const all = [];
  for (const line of lines) all.push(`$ debcast ${line}\n${await fails(line)}`);
  expect(all.join("\n\n")).toMatchInlineSnapshot(`
    "$ debcast plan -C nowhere
    error: there is no directory \`nowhere\`

    hint: debcast init nowhere
    status 1

    $ debcast plan -c bsae
    error: there is no conf \`bsae\` in PROJECT/conf

    hint: did you mean \`-c base\`?
    status 1

    $ debcast tar -o x.zip
    error: \`x.zip\` has no suffix that says how to compress it

    hint: use one of .tar, .tar.zst, .tar.gz, .tar.xz
    status 1

    $ debcast try mien
    error: there is no scriptlet \`mien\`

    hint: did you mean \`debcast try mine\`?
    status 1

    $ debcast try nothing-like-it
    error: there is no scriptlet \`nothing-like-it\`

    hint: a scriptlet is a file base/nothing-like-it.ts
    status 1

    $ debcast update hllo
    error: \`hllo\` is not in the lock, so there is nothing to move

    hint: did you mean \`debcast update hello\`?
    status 1

    $ debcast why hell
    error: there is no package \`hell\` in this image

    hint: did you mean \`debcast why hello\`?
    status 1

    $ debcast why etc/passwd
    error: there is no package \`etc/passwd\` in this image

    hint: a path begins with \`/\`: debcast why /etc/passwd
    status 1

    $ debcast log nobody
    error: \`nobody\` said nothing in the last build of \`base\`

    hint: \`debcast log\` lists what did
    status 1"
  `);
});

test("a conf may be called as a verb is, and what follows -- is not ours", builds, async () => {
  expect(await fails("plan -c tar")).toContain("there is no conf `tar`");
  expect((await debcastOk(["shell", "--", "echo", "--version", "--json", "image"], at)).stdout).toBe("--version --json image\n");
});

test("every verb has its --help, and the overview names all", async () => {
  const overview = (await debcastOk(["--help"], at)).stdout;
  const verbs = [...overview.matchAll(/^  ([a-z][a-z-]*) .*$/gm)].map((m) => m[1]!);
  expect(verbs).toEqual(["init", "image", "check", "plan", "lock", "update", "fetch", "deps", "why", "tar", "disk", "stick", "vm", "push", "status", "pull", "ssh", "logs", "boot-test", "shell", "try", "log", "diff", "size", "gc", "clean"]);
  for (const verb of verbs) {
    const help = (await debcastOk([verb, "--help"], at)).stdout;
    expect(help.split("\n")[0]).toMatch(new RegExp(`^debcast ${verb}\\b`));
    expect(help).toContain("--conf CONF");
  }
  const bare = await debcast([], at);
  expect({ status: bare.status, stdout: bare.stdout, stderr: bare.stderr }).toEqual({ status: 2, stdout: "", stderr: overview });
  expect((await debcastOk(["--version"], at)).stdout).toMatch(/^debcast \d+\.\d+\.\d+\n$/);
});

test("plan", async () => {
  const text = await ok("plan");
  expect(text.slice(text.indexOf("mine\n"))).toMatchInlineSnapshot(`
    "mine
      installs  hello ./local.deb
      has       run()
    "
  `);
  expect(text.split("\n").every((l) => l.length <= 100)).toBe(true);
});

test("why a package", builds, async () => {
  expect(said(await ok("why hello"), p.dir)).toMatchInlineSnapshot(`
    "base/mine.ts:2:1 (mine): installDeb("hello")
    local depends on it (hello)"
  `);
  expect(said(await ok("why local"), p.dir)).toMatchInlineSnapshot(`"base/mine.ts:2:1 (mine): installDeb("./local.deb")"`);
  expect(said(await ok("why libacl1"), p.dir)).toMatchInlineSnapshot(`
    "ENGINE/base/minbase.ts:LINE (minbase): installDeb("libacl1")
    coreutils depends on it (libacl1)
    passwd depends on it (libacl1)
    sed depends on it (libacl1)
    tar depends on it (libacl1)"
  `);
});

test("why a path", builds, async () => {
  const paths = ["/usr/bin/hello", "/bin/ls", "/etc/mine.conf", "/etc/profile", "/usr/share/doc/hello", "/etc/by-postinst", "/var/lib/by-command", "/no/such"];
  const all = [];
  for (const path of paths) {
    const r = await debcast(["why", path, "-q"], at);
    all.push(`$ debcast why ${path}\n${said(r.stdout + r.stderr, p.dir)}`);
  }
  expect(all.join("\n")).toMatchInlineSnapshot(`
    "$ debcast why /usr/bin/hello
    package hello ships it: base/mine.ts:2:1 (mine)
    $ debcast why /bin/ls
    package coreutils ships it: ENGINE/base/minbase.ts:LINE (minbase)
    $ debcast why /etc/mine.conf
    base/mine.ts:4:3 (mine): write
    base/mine.ts:5:3 (mine): append
    $ debcast why /etc/profile
    base/mine.ts:6:3 (mine): append
    $ debcast why /usr/share/doc/hello
    package hello ships it: base/mine.ts:2:1 (mine)
    base/mine.ts:7:3 (mine): remove
    $ debcast why /etc/by-postinst
    postinst of package local names it: base/mine.ts:2:1 (mine)
    $ debcast why /var/lib/by-command
    no package ships /var/lib/by-command, no file step made it, and no maintainer script names it: a program that one of these or an inImage command ran wrote it
    $ debcast why /no/such
    error: there is no \`/no/such\` in the image, and nothing speaks of it"
  `);
});

test("log: who said something, and what", builds, async () => {
  expect((await ok("log")).split("\n")).toEqual(expect.arrayContaining(["mine", "local", "hello", "base-files"]));
  expect(await ok("log mine")).toBe("Hello, world!\n");
  expect(await ok("log local")).toBe("Setting up local (1.0) ...\nlocal speaks\n");
});

test("shell works on a copy, and ends as the command does", builds, async () => {
  const motd = join(p.dir, "image/base/etc/mine.conf");
  const r = await debcast(["shell", "--", "sh", "-c", "echo three >>/etc/mine.conf; rm -r /usr/share/doc; cat /etc/mine.conf; exit 9"], at);
  expect(r).toMatchObject({ status: 9, stdout: "one\ntwo\nthree\n" });
  expect(readFileSync(motd, "utf8")).toBe("one\ntwo\n");
  expect(existsSync(join(p.dir, "image/base/usr/share/doc"))).toBe(true);
  expect(readdirSync(join(p.dir, "image"))).toEqual(["base"]);
});

test("try: what run() added, changed and removed", builds, async () => {
  const all = [];
  for (const name of ["mine", "quiet", "idle"]) {
    const r = await debcast(["try", name, "-q"], at);
    all.push(`$ debcast try ${name}\n${said(r.stdout + r.stderr, p.dir)}\nstatus ${r.status}`);
  }
  expect(all.join("\n\n")).toMatchInlineSnapshot(`
    "$ debcast try mine
    added    /etc/mine.conf
    added    /var/lib/by-command
    changed  /etc/profile
    removed  /usr/share/doc/hello
    removed  /usr/share/doc/hello/NEWS.gz
    removed  /usr/share/doc/hello/changelog.Debian.gz
    removed  /usr/share/doc/hello/changelog.gz
    removed  /usr/share/doc/hello/copyright
    status 0

    $ debcast try quiet
    quiet has no run()
    status 0

    $ debcast try idle
    run() of idle changed nothing
    status 0"
  `);
  expect(JSON.parse((await debcastOk(["try", "mine", "--json"], at)).stdout)).toMatchObject({ scriptlet: "mine", changes: { added: expect.arrayContaining(["/etc/mine.conf"]) } });
  expect(readdirSync(join(p.dir, "image"))).toEqual(["base"]);
});

test("tar: each suffix says how, and the contents are the same", builds, async () => {
  // A tree of its own, for xz takes long over a whole image.
  using own = project({ "conf/base.ts": smallConf(), "image/base/etc/mine.conf": "one\ntwo\n", "image/base/usr/bin/tool": "#!/bin/sh\n" });
  const tar = async (...args: string[]) => said((await debcastOk(["tar", ...args], { cwd: own.dir })).stdout, own.dir);
  const listings = new Set<string>();
  for (const [suffix, magic] of [["tar", ""], ["tar.zst", "28b52ffd"], ["tar.gz", "1f8b"], ["tar.xz", "fd377a585a00"]] as const) {
    const file = join(own.dir, `out/x.${suffix}`);
    expect(await tar("-o", `out/x.${suffix}`)).toBe(`out/x.${suffix}: SIZE`);
    expect(readFileSync(file).subarray(0, magic.length / 2).toString("hex")).toBe(magic);
    // Not every host has zstd.
    if (suffix !== "tar.zst") listings.add(execFileSync("tar", ["-tvf", file, "--numeric-owner"]).toString());
  }
  expect(listings.size).toBe(1);
  expect([...listings][0]).toMatch(/^-rw-r--r-- 0\/0 +8 .* \.\/etc\/mine\.conf$/m);
  expect(await tar()).toBe("out/base.tar.zst: SIZE");
});

test("results as JSON", builds, async () => {
  const shapes: Record<string, string[]> = {};
  for (const line of ["plan", "check", "lock", "fetch", "why hello", "log", "log mine", "deps hello", "tar -o out/y.tar", "image"]) {
    const r = await debcastOk([...line.split(" "), "--json"], at);
    expect(r.stderr).toBe("");
    shapes[line] = Object.keys(JSON.parse(r.stdout) as object).slice(0, 9);
  }
  expect(shapes).toMatchInlineSnapshot(`
    {
      "check": [
        "conf",
        "scriptlets",
        "packages",
      ],
      "deps hello": [
        "needs",
        "debs",
        "lines",
        "imports",
      ],
      "fetch": [
        "fetched",
        "present",
        "bytes",
      ],
      "image": [
        "image",
        "paths",
        "bytes",
        "ms",
      ],
      "lock": [
        "lock",
        "archives",
        "changes",
      ],
      "log": [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
      ],
      "log mine": [
        "name",
        "text",
      ],
      "plan": [
        "conf",
        "suite",
        "arch",
        "scriptlets",
      ],
      "tar -o out/y.tar": [
        "file",
        "bytes",
      ],
      "why hello": [
        "0",
        "1",
      ],
    }
  `);
  const wrong = await debcast(["why", "hllo", "--json"], at);
  expect(JSON.parse(wrong.stderr)).toEqual({ errors: [{ code: "why.unknown", message: expect.stringContaining("hllo"), hint: "did you mean `debcast why hello`?" }] });
});

test("commands in hints carry -c and -C", async () => {
  using other = project({ "conf/small.ts": smallConf() });
  const r = await debcastOk(["plan", "-c", "small", "-C", other.dir], { cwd: "/" });
  expect(said(r.stderr, other.dir)).toBe("next: debcast check -C PROJECT -c small");
  const none = await debcast(["tar", "-c", "small", "-C", other.dir], { cwd: "/" });
  expect(said(none.stderr, other.dir)).toMatchInlineSnapshot(`
    "error: \`small\` has not been built

    hint: debcast image -C PROJECT -c small"
  `);
});

test("lock and update: what changed, and --locked refuses to", async () => {
  using own = project({ "conf/base.ts": smallConf(), "base/hello.ts": 'import { installDeb } from "debcast";\ninstallDeb("hello");\n' });
  const there = { cwd: own.dir };
  const first = await debcast(["check", "--locked"], there);
  expect(`${said(first.stderr, own.dir)}\nstatus ${first.status}`).toMatchInlineSnapshot(`
    "error: conf/base.lock: \`base\` has no lock, and --locked may not make one

    hint: debcast lock
          and commit what it writes
    status 1"
  `);
  expect(existsSync(join(own.dir, "conf/base.lock"))).toBe(false);

  expect((await debcastOk(["lock"], there)).stdout).toMatch(/^apt +added +\S+\n[^]*\n\d+ changed, \+[\d.]+ MB of packages\n$/);
  expect((await debcastOk(["lock"], there)).stdout).toBe("conf/base.lock says all already\n");
  expect((await debcastOk(["update"], there)).stdout).toBe("nothing is newer\n");
  expect((await debcastOk(["update", "dash"], there)).stdout).toBe("nothing is newer\n");

  writeFileSync(join(own.dir, "conf/base.ts"), smallConf(["hello"]));
  const lock = readFileSync(join(own.dir, "conf/base.lock"), "utf8");
  const refused = await debcast(["check", "--locked"], there);
  expect(`${said(refused.stderr, own.dir)}\nstatus ${refused.status}`).toMatchInlineSnapshot(`
    "error: the lock of \`base\` does not say what the scriptlets ask for, and \`--locked\` lets nothing be changed
      added    hello

    hint: debcast lock -c base
    status 1"
  `);
  expect(readFileSync(join(own.dir, "conf/base.lock"), "utf8")).toBe(lock);
  expect(said((await debcastOk(["lock"], there)).stdout, own.dir).replace(/\d\S*-\d\S*/g, "VERSION")).toMatchInlineSnapshot(`
    "hello  added    VERSION
    1 changed, +SIZE of packages"
  `);
  await debcastOk(["check", "--locked"], there);

  // An older version in the lock is kept until `update`.
  const now = /^Package: hello\nVersion: (\S+)$/m.exec(readFileSync(join(own.dir, "conf/base.lock"), "utf8"))![1]!;
  writeFileSync(join(own.dir, "conf/base.lock"), readFileSync(join(own.dir, "conf/base.lock"), "utf8").replace(`Package: hello\nVersion: ${now}`, "Package: hello\nVersion: 1.0-1"));
  expect((await debcastOk(["lock"], there)).stdout).toBe("conf/base.lock says all already\n");
  expect((await debcastOk(["update"], there)).stdout.replace(now, "NOW")).toMatchInlineSnapshot(`
    "hello  1.0-1 → NOW
    1 changed
    "
  `);
});

test("clean takes image/ and out/, and leaves downloads/ and the lock", builds, async () => {
  using own = project({ "conf/base.ts": smallConf(), "image/base/x": "", "out/base.tar": "", "downloads/deb/x": "" });
  const there = { cwd: own.dir, downloads: join(own.dir, "downloads") };
  expect((await debcastOk(["clean"], there)).stdout).toBe("removed image and out\n");
  expect(readdirSync(own.dir).sort()).toEqual(["conf", "downloads"]);
  expect((await debcastOk(["clean"], there)).stdout).toBe("nothing to remove\n");
  expect(statSync(sharedDownloads).isDirectory()).toBe(true);
});
