// lib/cache.ts, and downloads by several callers and processes, one of which may be killed.
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { describe, expect, test } from "vitest";
import { checkCached, debPath, isVerified, markVerified } from "../../lib/cache.ts";
import { engineRoot } from "../../lib/engine.ts";
import type { FetchItem } from "../../lib/fetch.ts";
import { openProject } from "../../lib/project.ts";
import { change } from "./archive/archive.ts";
import { sha256 } from "./archive/deb.ts";
import { packages, said, twoMirrors } from "./fetching.ts";

const { one, space, dir, item, get, bytesOf, ranges, left } = await twoMirrors();

describe("what is cached", () => {
  test("a changed byte is noticed, even with size and mtime as before, and fetched again", async () => {
    await get([item("hello")]);
    const file = item("hello").to;
    utimesSync(file, 1000, 1000);
    expect(await isVerified(file, item("hello").sha256)).toBe(true);
    writeFileSync(file, change.bit(readFileSync(file)), { flag: "r+" });
    utimesSync(file, 1000, 1000);
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
    const project = openProject(space);
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
    using fetcher = bundledFetcher(space);
    one.fault("big_1.0_all.deb", { pace: 20 });
    const children = [fetcher.start(item("big")), fetcher.start(item("big"))];
    expect(await Promise.all(children.map((c) => c.ended))).toEqual([0, 0]);
    expect(bytesOf("big").equals(one.deb("big").content)).toBe(true);
    expect(left()).toEqual(["big_1.0_all.deb"]);
  });

  test("a run that was killed is taken up by the next", async () => {
    using fetcher = bundledFetcher(space);
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

  test("what a killed run left is taken up even if nobody collects its process", async () => {
    // The sleep that takes the shell's place never waits for its child, which stays a zombie.
    const keeper = spawn("sh", ["-c", "sleep 0.01 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const zombie = Number(await new Promise((done) => keeper.stdout.once("data", (d: Buffer) => done(d.toString()))));
      const state = () => readFileSync(`/proc/${zombie}/stat`, "utf8").replace(/^.*\) /s, "")[0];
      while (state() !== "Z") await new Promise((done) => setTimeout(done, 10));
      mkdirSync(dir);
      writeFileSync(`${item("big").to}.part.${zombie}`, one.deb("big").content.subarray(0, 5000));
      await get([item("big")]);
      expect(ranges(one)).toEqual(["206 bytes=5000-"]);
      expect(left()).toEqual(["big_1.0_all.deb"]);
    } finally {
      keeper.kill("SIGKILL");
    }
  });

  test("a full disk is called so", async ({ skip }) => {
    if (spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", space]).status !== 0) skip("no file system can be mounted here");
    using fetcher = bundledFetcher(space);
    mkdirSync(dir);
    const child = fetcher.start(item("big"), ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=100k none ${dir} && exec "$@"`, "sh"]);
    expect(await child.ended).toBe(1);
    expect(child.stderr().replaceAll(dir, "DIR")).toMatchInlineSnapshot(`
      "error: \`DIR/big_1.0_all.deb\` cannot be written: no space is left there

      hint: df -h DIR   # how full it is
            debcast gc   # removes what no image needs any more
      "
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
