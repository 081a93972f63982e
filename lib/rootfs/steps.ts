// Runs what scriptlets do: their steps, one after the other in the order called, whether awaited or not.
import { cpSync, existsSync, readdirSync, rmSync, statSync, mkdtempSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError, type Where } from "../errors.ts";
import type { Emit } from "../events.ts";
import { span } from "../events.ts";
import type { Made } from "../made.ts";
import { asMistake } from "../plan/where.ts";
import { isOwn } from "../plan/own.ts";
import type { Plan, PlannedScriptlet } from "../plan/plan.ts";
import { contentParts, downloadOf, kindOf, secretName } from "../plan/values.ts";
import { watchStrays } from "../run/strays.ts";
import { inTools, type Sandbox } from "../sandbox.ts";
import type { Secrets } from "../secrets.ts";
import * as files from "./files.ts";
import { globIn } from "./glob.ts";
import { realPath, resolveIn } from "./paths.ts";
import { Queue } from "./queue.ts";
import { runInImage, runOnHost, scriptOf, type Command, type ShellOptions } from "./shell.ts";
import { changeUnits, unitAt } from "./units.ts";
import { ensureUser } from "./users.ts";

export type Phase = "before" | "run" | "runLast";

export interface RunOptions {
  readonly plan: Plan;
  readonly phase: Phase;
  readonly root: string;
  readonly sandbox: Sandbox;
  readonly secrets: Secrets;
  readonly epoch: number;
  readonly emit: Emit;
  /** Where a download lies. */
  readonly downloads: (sha256: string) => string;
  readonly log: (scriptlet: string, text: string) => void;
  /** Around each scriptlet, for `try`. */
  readonly around?: (scriptlet: PlannedScriptlet, work: () => Promise<void>) => Promise<void>;
}

/** What came of a scriptlet's functions. */
export interface Ran {
  /** Which step made, changed or removed which path. */
  readonly made: readonly Made[];
  /** Whether programs ran in the image, or directories were removed from it: that may change what no list of files shows. */
  readonly programs: boolean;
  /** Whether it looked at something outside of the image and its own sources: the host, or the network. */
  readonly outside: boolean;
  /** What `planned(name)` answered. */
  readonly planned: Readonly<Record<string, boolean>>;
}

/** Runs one phase of these scriptlets, in their order. */
export async function runScriptlets(scriptlets: readonly PlannedScriptlet[], o: RunOptions): Promise<Ran> {
  const ran = { made: [] as Made[], programs: false, outside: false, planned: {} as Record<string, boolean> };
  const around = o.around ?? ((_, work) => work());
  for (const s of scriptlets) {
    if (s[o.phase].length === 0) continue;
    await span(o.emit, `${s.name} ${o.phase}`, "scriptlets", () => around(s, () => runScriptlet(s, o, ran)));
  }
  return ran;
}

type Running = { -readonly [K in keyof Ran]: Ran[K] } & { made: Made[]; planned: Record<string, boolean> };

async function runScriptlet(s: PlannedScriptlet, o: RunOptions, ran: Running): Promise<void> {
  const queue = new Queue();
  const steps = makeSteps({ s, o, queue, ran, made: ran.made });
  const strays = watchStrays();
  try {
    for (const fn of s[o.phase]) await fn(steps as never);
    await queue.finished();
    await strays.told();
    if (strays.found.length > 0) throw strays.found[0];
  } catch (e) {
    const failure = await queue.abandon(asMistake(e, s.whereOf));
    await strays.told();
    throw failure;
  } finally {
    strays.end();
  }
}

interface Making {
  readonly s: PlannedScriptlet;
  readonly o: RunOptions;
  readonly queue: Queue;
  readonly ran: Running;
  readonly made: Made[];
}

function makeSteps(m: Making) {
  return { ...fileSteps(m), ...(m.o.phase === "before" ? {} : { ...systemSteps(m), ...queries(m) }) };
}

/** A step: its work in the queue, its paths in the record, its line in the error. */
function step<A extends unknown[], T>(m: Making, name: string, work: (where: Where, ...args: A) => T | Promise<T>) {
  return (...args: A): Promise<T> => {
    const where = m.s.whereOf(new Error());
    return m.queue.add(name, () => work(where, ...args), (e) => placed(e, where));
  };
}

function placed(e: unknown, where: Where): unknown {
  if (e instanceof UserError) {
    if (e.where) return e;
    return new UserError(e.code, e.message, { where, hint: e.hint, details: e.details, cause: e.cause, exit: e.exit });
  }
  const code = (e as NodeJS.ErrnoException).code;
  return code === undefined ? e : new UserError("step.failed", (e as Error).message, { where, cause: e });
}

function record(m: Making, name: string, where: Where, paths: readonly string[], restart?: readonly string[]): void {
  const { file, line, column, scriptlet } = where;
  for (const path of paths) m.made.push({ path: realPath(m.o.root, path, "keep"), step: name, where: { file, line, column, scriptlet }, ...(restart?.length && { restart }) });
}

function fileSteps(m: Making) {
  const { root } = m.o;
  const put = (name: string, work: (where: Where, to: string, ...rest: never[]) => void) =>
    step(m, name, (where, to: string, ...rest: never[]) => {
      work(where, mustBePath(to), ...rest);
      record(m, name, where, [to], (rest.at(-1) as files.Attr | undefined)?.restart);
    });
  return {
    write: put("write", (_, to, what: never, a: never) => files.writeFile(root, to, contentOf(m, what), a)),
    append: put("append", (_, to, what: never) => files.appendFile(root, to, contentOf(m, what))),
    mkdir: put("mkdir", (_, to, a: never) => void files.makeDir(root, to, a)),
    edit: put("edit", (_, to, find: never, put_: never, o: { times?: number | "any" } | undefined) => files.editFile(root, to, { find, put: put_, times: o?.times ?? 1 })),
    symlink: step(m, "symlink", (where, target: string, at: string) => {
      files.makeLink(root, target, mustBePath(at));
      record(m, "symlink", where, [at]);
    }),
    copy: step(m, "copy", (where, from: unknown, to: string, a: files.Attr = {}) => {
      const made = (Array.isArray(from) ? from : [from]).flatMap((f) => copyOne(m, f, mustBePath(to), a));
      record(m, "copy", where, made, a.restart);
    }),
    overlay: step(m, "overlay", (where, dir = "overlay") => record(m, "overlay", where, files.copyIn(root, inFolder(m, dir), "/"))),
    remove: step(m, "remove", (where, ...globs: string[]) => {
      const gone = files.removePaths(root, globs.map(mustBePath));
      // A directory of that name that is made anew is not the old one with more in it, and its files do not say so.
      m.ran.programs ||= gone.directories;
      record(m, "remove", where, gone.paths);
    }),
    unpack: step(m, "unpack", async (where, what: unknown, to: string) => {
      m.ran.programs = true;
      await unpackTar(m, sourceOf(m, what), mustBePath(to));
      record(m, "unpack", where, [to]);
    }),
  };
}

function systemSteps(m: Making) {
  const { root, sandbox } = m.o;
  const changed = async (where: Where, verb: "enable" | "disable" | "mask", units: readonly string[]) => {
    const { paths, directories } = await changeUnits(sandbox, root, { verb, units });
    m.ran.programs ||= directories;
    record(m, verb, where, paths, verb === "enable" ? units : undefined);
  };
  const change = (verb: "enable" | "disable" | "mask") => step(m, verb, (where, ...units: string[]) => changed(where, verb, units));
  return {
    enable: change("enable"),
    disable: change("disable"),
    mask: change("mask"),
    unit: step(m, "unit", async (where, name: string, what: unknown, o: { enable?: boolean } = {}) => {
      files.writeFile(root, unitAt(name), contentOf(m, what));
      record(m, "unit", where, [unitAt(name)], [name]);
      if (o.enable) await changed(where, "enable", [name]);
    }),
    user: step(m, "user", (_, name: string, o: Record<string, unknown> = {}) => {
      const { password, ...rest } = o;
      const secret = secretName(password);
      ensureUser(root, { ...rest, name, ...(secret !== undefined && { passwordHash: m.o.secrets.get(secret).trim() }) }, m.o.epoch);
    }),
    inImage: shell(m, "inImage", (c) => {
      m.ran.programs = true;
      m.ran.outside ||= c.options.network === true;
      return runInImage(sandbox, root, c);
    }),
    onHost: shell(m, "onHost", (c) => {
      m.ran.outside = true;
      return runOnHost(existsSync(m.s.folder) ? m.s.folder : dirname(m.s.file), c);
    }),
  };
}

function queries(m: Making) {
  const { root, plan } = m.o;
  return {
    read: step(m, "read", (_, path: string) => files.readText(root, mustBePath(path))),
    exists: step(m, "exists", (_, path: string) => existsSync(resolveIn(root, mustBePath(path)))),
    glob: step(m, "glob", (_, ...globs: string[]) => globs.flatMap((g) => globIn(root, mustBePath(g)))),
    planned: (name: string) => (m.ran.planned[name] = plan.scriptlets.some((s) => s.name === name)),
    image: root,
    here: m.s.folder,
  };
}

function shell(m: Making, name: string, work: (c: Command) => Promise<{ stdout: string; stderr: string }>) {
  const withOptions = (options: ShellOptions) => {
    const tag = step(m, name, (where, strings: readonly string[], ...words: unknown[]) =>
      work({
        script: scriptOf(strings, words),
        where,
        options,
        env: Object.fromEntries(Object.entries(options.env ?? {}).map(([k, v]) => [k, contentOf(m, v)])),
        ...(options.stdin !== undefined && { stdin: contentOf(m, options.stdin) }),
        onOutput: (text) => m.o.log(m.s.name, text),
        mask: m.o.secrets.mask,
      }));
    return Object.assign(tag, { with: (more: ShellOptions) => withOptions({ ...options, ...more }) });
  };
  return withOptions({});
}

// ── Sources ────────────────────────────────────────────────────────────────────────────────────────────────────────

function mustBePath(path: unknown): string {
  if (typeof path === "string" && path.startsWith("/") && !path.split("/").includes("..")) return path;
  throw new UserError("step.path", `\`${typeof path === "string" ? path : kindOf(path)}\` is no path of the image`, { hint: "paths of the image begin with `/` and have no `..`" });
}

function contentOf(m: Making, what: unknown): string {
  const parts = contentParts(what);
  if (!parts) throw new UserError("step.content", `${kindOf(what)} is no content for a file`, { hint: "text, lines`…` or a secret" });
  return parts.map((p) => (typeof p === "string" ? p : m.o.secrets.get(p.secret))).join("");
}

function copyOne(m: Making, from: unknown, to: string, a: files.Attr): string[] {
  const source = sourceOf(m, from);
  const name = downloadOf(from)?.url.split("/").pop() ?? basename(source);
  return files.copyIn(m.o.root, source, to.endsWith("/") && !statSync(source).isDirectory() ? join(to, name) : to, a);
}

/** A download in the cache, or a file beside the scriptlet. */
function sourceOf(m: Making, from: unknown): string {
  const download = downloadOf(from);
  return download ? m.o.downloads(download.sha256) : inFolder(m, from);
}

function inFolder(m: Making, name: unknown): string {
  if (typeof name !== "string") throw new UserError("step.source", `${kindOf(name)} is no file to copy`, { hint: `the name of a file in base/${m.s.name}/, or what download() returned` });
  const path = join(m.s.folder, name);
  if (!path.startsWith(`${m.s.folder}/`)) throw new UserError("step.outside", `\`${name}\` lies outside of base/${m.s.name}/`);
  // What lies elsewhere, behind a link, is in no key.
  m.ran.outside ||= !isOwn(m.o.plan, m.s, dirname(path));
  if (existsSync(path)) return path;
  const there = existsSync(m.s.folder) ? readdirSync(m.s.folder) : [];
  throw new UserError("step.no-file", `there is no \`${name}\` in base/${m.s.name}/`, { hint: there.length > 0 ? `there are: ${there.join(", ")}` : `make base/${m.s.name}/${name}` });
}

/** GNU tar, in the tools tree, with nothing but the target directory to write to. */
async function unpackTar(m: Making, source: string, to: string): Promise<void> {
  const target = files.makeDir(m.o.root, to);
  const work = mkdtempSync(join(dirname(m.o.root), ".unpack-"));
  try {
    cpSync(source, join(work, "archive"));
    await inTools(m.o.sandbox, {
      argv: ["tar", "--extract", "--file=/in/archive", "--directory=/out", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"],
      binds: [{ from: work, to: "/in", ro: true }, { from: target, to: "/out" }],
      what: `could not unpack \`${basename(source)}\``,
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
