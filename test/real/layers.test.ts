// Layers and what they rest on: hand edits in the image, caches that somebody touched, two builds at once, no overlays.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shelfDir } from "../../lib/layers/shelf.ts";
import { debcast, debcastOk, ownDownloads, project } from "./debcast.ts";

const conf = `import { defineImage } from "debcast";
export default defineImage({ suite: "trixie", arch: "amd64", components: ["main"], hostname: "layers", scriptlets: ["host", "apt-sources", "one", "two"] });
`;
/** Layers of earlier runs of these tests are none of this one's. */
const run = `// ${Date.now()}\n`;
const one = `${run}import { need, run } from "debcast";
need("minbase");
run(({ write, mkdir }) => {
  write("/etc/one.conf", "one\\n");
  mkdir("/srv/one");
});
`;
const two = `${run}import { need, run } from "debcast";
need("minbase");
run(({ inImage, append }) => {
  inImage\`ln /usr/bin/true /usr/local/bin/also-true; rm -rf /srv/one; mkdir -p /srv/one/new; echo two >>/etc/extra.txt\`;
  append("/etc/one.conf", "two\\n");
});
`;

let p: ReturnType<typeof project>;
const image = (path: string) => join(p.dir, "image/layered", path);
const build = (...args: string[]) => debcastOk(["image", "-c", "layered", "-C", p.dir, ...args]);

beforeAll(() => {
  p = project({ "conf/layered.ts": conf, "base/one.ts": one, "base/two.ts": two });
});
afterAll(() => p[Symbol.dispose]());

async function tarball(name: string): Promise<string> {
  const file = join(p.dir, `out/${name}.tar`);
  await debcastOk(["tar", "-c", "layered", "-C", p.dir, "-o", file]);
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

test("a build without overlays makes the same bytes", async () => {
  await build();
  const layered = await tarball("layered");
  await debcastOk(["image", "-c", "layered", "-C", p.dir, "--no-cache"], { env: { DEBCAST_LAYERS: "off" } });
  expect(await tarball("plain")).toBe(layered);
  await build();
  expect(await tarball("again")).toBe(layered);
});

test("nothing to do is said, and done", async () => {
  await build();
  const before = statSync(image("etc/one.conf")).ctimeMs;
  const r = await build();
  expect(r.stdout).toMatch(/^\S*image\/layered: nothing changed, /);
  expect(r.stderr).toBe("");
  expect(statSync(image("etc/one.conf")).ctimeMs).toBe(before);
});

test("a change is named, and what stands below it is reused", async () => {
  await build();
  writeFileSync(join(p.dir, "base/one.ts"), one.replace('"one\\n"', '"one and a half\\n"'));
  const r = await build();
  expect(r.stderr).toMatch(/^packages .* all \d+ reused$/m);
  expect(r.stderr).toMatch(/^run .* 2 of \d+ made: one, base\/one\.ts changed$/m);
  expect(readFileSync(image("etc/one.conf"), "utf8")).toBe("one and a half\ntwo\n");
  const why = await debcastOk(["why", "--rebuild", "-c", "layered", "-C", p.dir]);
  expect(why.stdout).toMatch(/^one .* base\/one\.ts changed$/m);
  expect(why.stdout).toMatch(/^two .* what it stands on changed: one$/m);
  expect(why.stdout).toMatch(/^host .* reused$/m);
});

test("a change that comes to the same ends where it is", async () => {
  await build();
  writeFileSync(join(p.dir, "base/one.ts"), `// A remark.\n${readFileSync(join(p.dir, "base/one.ts"), "utf8")}`);
  const r = await build();
  expect(r.stderr).toMatch(/^run .* 1 of \d+ made: one, base\/one\.ts changed$/m);
  expect(r.stderr).toMatch(/^image .* 0 paths brought up to date$/m);
});

test("what a program makes of more than is known of it is brought up to date as well", async () => {
  // Fonts in a place of one's own: what fc-cache makes is not remembered.
  const fonts = (more: string) => `import { need, run } from "debcast";
need("lib-font");
run(({ write, mkdir }) => {
  write("/etc/fonts/local.conf", "<fontconfig><dir>/srv/fonts</dir></fontconfig>\\n");
  mkdir("/srv/fonts");${more}
});
`;
  using q = project({ "conf/base.ts": conf.replace('"one", "two"', '"fonts"'), "base/fonts.ts": fonts("") });
  const digests = async (...args: string[]) => {
    await debcastOk(["image", "-C", q.dir, ...args]);
    const dir = join(q.dir, "image/base/var/cache/fontconfig");
    return readdirSync(dir).sort().map((name) => `${name} ${createHash("sha256").update(readFileSync(join(dir, name))).digest("hex")}`);
  };
  const before = await digests();
  writeFileSync(join(q.dir, "base/fonts.ts"), fonts(' mkdir("/srv/fonts/more");'));
  const after = await digests();
  expect(after).not.toEqual(before);
  expect(after).toEqual(await digests("--no-cache"));
});

test("edits by hand are listed and undone", async () => {
  await build();
  const whole = await tarball("whole");
  appendFileSync(image("etc/one.conf"), "by hand\n");
  rmSync(image("etc/hostname"));
  writeFileSync(image("etc/new"), "new\n");
  mkdirSync(image("srv/new/dir"), { recursive: true });
  rmSync(image("usr/share/zoneinfo"), { recursive: true });
  // Same size, same time: only ctime tells.
  const { atime, mtime } = statSync(image("etc/debian_version"));
  writeFileSync(image("etc/debian_version"), readFileSync(image("etc/debian_version"), "utf8").replace(/^./, "9"));
  utimesSync(image("etc/debian_version"), atime, mtime);
  const r = await build();
  expect(r.stderr).toMatch(/^warning: \d+ paths of the image were edited by hand; that is undone:$/m);
  for (const path of ["/etc/one.conf", "/etc/hostname", "/etc/new", "/etc/debian_version"]) expect(r.stderr).toContain(`  ${path}\n`);
  expect(await tarball("undone")).toBe(whole);
});

test("with --keep-edits they stay, also the next time", async () => {
  await build();
  appendFileSync(image("etc/one.conf"), "by hand\n");
  const r = await build("--keep-edits");
  expect(r.stderr).toContain("1 path of the image was edited by hand; they are kept:");
  expect(readFileSync(image("etc/one.conf"), "utf8")).toMatch(/by hand\n$/);
  writeFileSync(join(p.dir, "base/one.ts"), one.replace('"one\\n"', '"one, changed\\n"'));
  await build("--keep-edits");
  expect(readFileSync(image("etc/one.conf"), "utf8")).toMatch(/by hand\n$/);
  await build();
  expect(readFileSync(image("etc/one.conf"), "utf8")).toBe("one, changed\ntwo\n");
});

/** Downloads that may be spoilt; they are there once the lock is. */
function spoilable(): string {
  const dir = join(p.dir, "spoilable");
  return existsSync(dir) ? dir : ownDownloads(dir, [join(p.dir, "conf/layered.lock")]);
}

/** A plain file of the largest layer. */
function fileInLayers(downloads: string): string {
  const dir = shelfDir(downloads);
  const state = JSON.parse(readFileSync(join(p.dir, "out/layered.state.json"), "utf8")) as { trees: string[] };
  return join(dir, state.trees[0]!, "etc/debian_version");
}

test("a layer with a flipped byte, or a file that is gone, is found, said and made again", async () => {
  writeFileSync(join(p.dir, "base/one.ts"), one.replace('"one\\n"', '"one, changed\\n"'));
  await build();
  const downloads = spoilable();
  const buildThere = (...args: string[]) => debcastOk(["image", "-c", "layered", "-C", p.dir, ...args], { downloads });
  await buildThere("--no-cache");
  const whole = await tarball("whole");
  for (const spoil of [(f: string) => flip(f), (f: string) => rmSync(f)]) {
    spoil(fileInLayers(downloads));
    writeFileSync(join(p.dir, "base/one.ts"), one.replace('"one\\n"', `"${Math.random()}\\n"`));
    const r = await buildThere();
    expect(r.stderr).toMatch(/warning: `\/etc\/debian_version` of the cached layer `essential packages` was touched since it was made: the layer is made again/);
    writeFileSync(join(p.dir, "base/one.ts"), one.replace('"one\\n"', '"one, changed\\n"'));
    await buildThere();
    expect(await tarball("again")).toBe(whole);
  }
});

test("check --caches finds what was touched, and takes it out of use", async () => {
  await build();
  const downloads = spoilable();
  const own = (...args: string[]) => debcast([args[0]!, "-c", "layered", "-C", p.dir, ...args.slice(1)], { downloads });
  expect((await own("image", "--no-cache")).status).toBe(0);
  const whole = await tarball("whole");
  expect((await own("check", "--caches")).stdout).toBe("the caches are whole\n");
  const store = join(downloads, "store");
  const tars = readdirSync(store).filter((f) => f.endsWith(".tar")).map((f) => join(store, f)).sort((a, b) => statSync(b).size - statSync(a).size);
  flip(tars[0]!);
  rmSync(tars[1]!);
  flip(fileInLayers(downloads));
  const r = await own("check", "--caches");
  expect(r.status).toBe(1);
  expect(r.stdout).toContain(`${tars[0]!.split("/").pop()!} is not what`);
  expect(r.stdout).toContain(`${tars[1]!.split("/").pop()!} is not what`);
  expect(r.stdout).toContain("(the layer `essential packages`) was touched at `/etc/debian_version`");
  expect((await own("check", "--caches")).stdout).toBe("the caches are whole\n");
  rmSync(join(p.dir, "out/layered.state.json"));
  expect((await own("image")).status).toBe(0);
  expect(await tarball("again")).toBe(whole);
});

test("gc keeps what the lock and the image need", async () => {
  await build();
  // Others may be building from those that all share.
  const r = await debcastOk(["gc", "--keep", "1000T", "-C", p.dir], { downloads: spoilable() });
  expect(r.stdout).toMatch(/^nothing to remove: /);
  expect((await debcast(["gc", "--keep", "much", "-C", p.dir])).stderr).toContain("`much` is no size");
});

test("of two builds at once the second waits, and both are right", async () => {
  await build();
  writeFileSync(join(p.dir, "base/one.ts"), one);
  const [a, b] = await Promise.all([debcast(["image", "-c", "layered", "-C", p.dir, "--no-cache"]), debcast(["image", "-c", "layered", "-C", p.dir, "--no-cache"])]);
  expect([a.status, b.status], a.stderr + b.stderr).toEqual([0, 0]);
  expect(a.stderr + b.stderr).toContain("another debcast is building in this project: waiting until it is done");
  const both = await tarball("both");
  await build("--no-cache");
  expect(await tarball("alone")).toBe(both);
});

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(file, bytes);
}
