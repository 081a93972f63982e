// The throw-away project with caches of its own. debcast is only ever called by its command line.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { lockedDebs } from "./closure.mjs";
import { openEdits } from "./edits.mjs";
import { copyDownloads, layOut, writeConf, writeScriptlet } from "./layout.mjs";
import { run } from "./run.mjs";

/** What stays when all caches are taken away: what was fetched, that it was verified, and what has nothing to do with packages' files. */
const alwaysWarm = /^(deb\.|files|index|bundle|types|verified)/;

export function openProject({ workspace, engine }) {
  const { project: dir, downloads } = workspace;
  const root = resolve(engine);
  layOut(dir, root);
  copyDownloads(downloads, root);
  /** Confs whose image is what the project says at this moment. */
  const fresh = new Set();
  const at = (path) => join(dir, path);
  const commands = openCommands({ dir, downloads, root, workspace });

  return {
    ...commands,
    ...openLocks(dir, (conf) => fresh.delete(conf)),
    edits: openEdits(dir, () => fresh.clear()),
    engine: root,
    downloads,
    conf: (name, scriptlets) => writeConf(dir, name, scriptlets),
    scriptlet: (name, text) => writeScriptlet(dir, name, text),
    image: (conf) => at(`image/${conf}`),
    out: (name) => at(`out/${name}`),
    /** Package lists of the archive as debcast fetched them, the largest (main) first. */
    packageLists: () => {
      const dir = join(downloads, "index");
      return readdirSync(dir).filter((f) => f.endsWith(".Packages")).map((f) => join(dir, f)).sort((a, b) => statSync(b).size - statSync(a).size);
    },
    /** Where a locked .deb lies in our cache. */
    deb: (deb) => join(downloads, "deb.trixie.amd64", deb.filename.split("/").at(-1)),

    async build(conf, name, options) {
      const result = await commands.makeImage(conf, name, options);
      fresh.add(conf);
      return result;
    },
    /** An image of what the project says now, made if need be. */
    async ready(conf) {
      if (!fresh.has(conf)) await this.build(conf, "ready");
    },
    /** Takes these caches away (names of directories in downloads/), or all but what was fetched; and all images. The names of those there were. */
    forget(caches) {
      workspace.aside(at("image"));
      fresh.clear();
      return (caches ?? directories(downloads).filter((name) => !alwaysWarm.test(name))).filter((name) => workspace.aside(join(downloads, name)));
    },
    /** What an image takes, and what each directory of downloads/ does at that moment. */
    sizes(conf) {
      return { imageBytes: bytesOf(at(`image/${conf}`)), caches: Object.fromEntries(directories(downloads).map((name) => [name, bytesOf(join(downloads, name))])) };
    },
  };
}

function openCommands({ dir, downloads, root, workspace }) {
  const env = { DEBCAST_DOWNLOADS: downloads };
  const argv = (verb, conf, ...more) => [process.execPath, join(root, "bin/debcast"), verb, "-C", dir, "-c", conf, ...more];
  const called = (name, command, options) => run(command, { log: workspace.log(`debcast-${name}`), env, ...options });
  return {
    makeImage: (conf, name, options) => called(`${conf}-${name}`, argv("image", conf, "--quiet"), options),
    /** Everything that wants a mirror; not timed. */
    fetch: (conf) => called(`${conf}-fetch`, argv("fetch", conf)),
    /** What a conf is to hold, which wants the package lists; not timed. */
    makeLock: (conf) => called(`${conf}-lock`, argv("lock", conf)),
    /** How long it takes without making an image. */
    plan: (conf) => called(`${conf}-plan`, argv("plan", conf)),
    tar: (conf, file) => called(`${conf}-tar`, argv("tar", conf, "-o", file)),
    disk: (conf, file) => called(`${conf}-disk`, argv("disk", conf, "-o", file)),
    /** Names of the scriptlets, in order. */
    planned(conf) {
      const [program, ...args] = argv("plan", conf, "--json");
      const plan = execFileSync(program, args, { env: { ...process.env, ...env }, encoding: "utf8", maxBuffer: 64 << 20 });
      return JSON.parse(plan).scriptlets.map((s) => s.name);
    },
  };
}

/** `changed` is called with the conf whose lock is another. */
function openLocks(dir, changed) {
  const path = (conf) => join(dir, `conf/${conf}.lock`);
  const read = (conf) => readFileSync(path(conf), "utf8");
  const write = (conf, text) => {
    writeFileSync(path(conf), text);
    changed(conf);
  };
  return { lock: { read, write, copy: (from, to) => write(to, read(from)) }, closure: (conf) => lockedDebs(read(conf)) };
}

function directories(dir) {
  return readdirSync(dir, { withFileTypes: true }).filter((d) => d.isDirectory()).map((d) => d.name);
}

function bytesOf(path) {
  return Number(execFileSync("du", ["-s", "-B1", path], { encoding: "utf8" }).split("\t")[0]);
}
