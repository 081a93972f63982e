// The `debcast` module as one scriptlet sees it. Made for one plan and one scriptlet, so that every call knows who made it and
// two confs in one process share nothing.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { isVersion } from "../deb/version.ts";
import { UserError, nearest } from "../errors.ts";
import { parseDeb } from "./debspec.ts";
import { FieldValue, int, listOf, oneOf, optional, readOptions, text } from "./options.ts";
import type { Conf, PlannedBootTest } from "./plan.ts";
import { here, mustBeOpen, type ScriptletRecord } from "./record.ts";
import { DownloadValue, LocalDebValue, SecretValue, kindOf, lines } from "./values.ts";

/** What a module asks of the plan that is being made. */
export interface Planner {
  readonly conf: Conf;
  /** `conf` as scriptlets see it. */
  readonly shown: object;
  /** Loads a scriptlet, if that was not done, and returns its exports. */
  need(name: string, by: ScriptletRecord): unknown;
  /** Throws unless there is such a scriptlet. */
  mustExist(name: unknown, by: ScriptletRecord): asserts name is string;
}

export function scriptletModule(r: ScriptletRecord, planner: Planner): object {
  const functions = { ...planning(r, planner), ...values(r), ...phases(r), ...options(r, planner), lines };
  return guarded({ ...functions, conf: watchedConf(r, planner.shown) }, "`debcast`");
}

/** What a conf may import: of all the functions only those that make values. */
export function confModule(): object {
  return guarded({ defineImage: (image: unknown) => image, secret: makeSecret, lines, fail }, "`debcast`, as a conf sees it,");
}

/** What conf/devices.ts may import. */
export function devicesModule(): object {
  return guarded({ defineDevices: (devices: unknown) => devices, fail }, "`debcast`, as conf/devices.ts sees it,");
}

// ── Functions ──────────────────────────────────────────────────────────────────────────────────────────────────────

function planning(r: ScriptletRecord, planner: Planner) {
  return {
    need: (...names: unknown[]) => {
      mustBeOpen(r, "need()");
      if (names.length === 0) throw new UserError("need.none", "need() names no scriptlet");
      for (const name of names) planner.mustExist(name, r);
      const exports = (names as string[]).map((name) => planner.need(name, r));
      return names.length === 1 ? exports[0] : undefined;
    },
    after: (...names: unknown[]) => {
      mustBeOpen(r, "after()");
      for (const name of names) {
        planner.mustExist(name, r);
        r.afters.push({ name, where: here(r) });
      }
    },
    installDeb: (...debs: unknown[]) => {
      mustBeOpen(r, "installDeb()");
      if (debs.length === 0) throw new UserError("deb.none", "installDeb() names no package");
      const where = here(r);
      for (const d of debs) r.debs.push(parseDeb(d, { folder: r.source.folder, where }));
    },
    debconf: (preseed: unknown) => {
      mustBeOpen(r, "debconf()");
      r.debconf.push({ text: checkPreseed(preseed), where: here(r) });
    },
    exclude: (...globs: unknown[]) => {
      mustBeOpen(r, "exclude()");
      for (const glob of globs) {
        if (typeof glob !== "string" || !glob.startsWith("/")) throw new UserError("exclude.path", `\`${String(glob)}\` is no path from \`/\``);
        r.excludes.push({ glob, where: here(r) });
      }
    },
    fail,
  };
}

function values(r: ScriptletRecord) {
  return {
    buildDeb: (dir: unknown, control: unknown) => {
      mustBeOpen(r, "buildDeb()");
      return makeLocalDeb(r, dir, control);
    },
    download: (url: unknown, pin: unknown) => {
      mustBeOpen(r, "download()");
      const value = makeDownload(url, pin);
      r.downloads.push({ url: value.url, sha256: value.sha256, where: here(r) });
      return value;
    },
    secret: (name: unknown) => {
      mustBeOpen(r, "secret()");
      const value = makeSecret(name);
      r.secrets.add(name as string);
      return value;
    },
  };
}

function phases(r: ScriptletRecord) {
  const phase = (name: "before" | "run" | "runLast") => (fn: unknown) => {
    mustBeOpen(r, `${name}()`);
    if (typeof fn !== "function") throw new UserError("phase.function", `${name}() takes a function and got ${kindOf(fn)}`);
    r[name].push(fn as () => void);
  };
  return {
    before: phase("before"),
    run: phase("run"),
    runLast: phase("runLast"),
    bootTest: (name: unknown, fn: unknown) => {
      mustBeOpen(r, "bootTest()");
      if (typeof name !== "string" || typeof fn !== "function") throw new UserError("boot-test.arguments", `bootTest() takes a name and a function and got ${kindOf(name)} and ${kindOf(fn)}`);
      r.bootTests.push({ name, fn: fn as PlannedBootTest["fn"], where: here(r) });
    },
    defineImage: () => {
      throw new UserError("load.define-image", "defineImage() is for conf/*.ts; a scriptlet reads `conf`");
    },
  };
}

function options(r: ScriptletRecord, planner: Planner) {
  return {
    defineOptions: (schema: unknown) => {
      mustBeOpen(r, "defineOptions()");
      if (r.options) throw new UserError("option.twice", "defineOptions() is called twice; a scriptlet has one set of options");
      if (typeof schema !== "object" || schema === null) throw new UserError("option.schema", `defineOptions() takes an object and got ${kindOf(schema)}`);
      r.options = true;
      return readOptions(schema as Record<string, unknown>, { scriptlet: r.name, conf: planner.conf, where: here(r) });
    },
    text,
    int,
    oneOf: (...values: (string | number)[]) => oneOf(...values),
    listOf: (f: unknown) => listOf(mustBeField(f, "listOf()")),
    optional: (f: unknown) => optional(mustBeField(f, "optional()")),
  };
}

function mustBeField(f: unknown, what: string): FieldValue {
  if (f instanceof FieldValue) return f;
  throw new UserError("option.schema", `${what} takes text(), int(), oneOf() or listOf() and got ${kindOf(f)}`);
}

function fail(message: unknown, hint?: unknown): never {
  throw new UserError("scriptlet.fail", String(message), typeof hint === "string" ? { hint } : {});
}

// ── Values ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function makeSecret(name: unknown): SecretValue {
  if (typeof name === "string" && /^[A-Za-z0-9][\w.-]*$/.test(name)) return new SecretValue(name);
  throw new UserError("secret.name", `\`${typeof name === "string" ? name : kindOf(name)}\` is no name of a secret`, {
    hint: "letters, digits, `-`, `_` and `.`: the name of a file in secrets/",
  });
}

function makeDownload(url: unknown, pin: unknown): DownloadValue {
  if (typeof url !== "string" || !/^https?:\/\/[^\s/]+\/\S*$/.test(url)) throw new UserError("download.url", `\`${String(url)}\` is no http or https address`);
  const sha256 = (pin as { sha256?: unknown } | undefined)?.sha256;
  if (typeof sha256 === "string" && /^[0-9a-f]{64}$/i.test(sha256)) return new DownloadValue(url, sha256.toLowerCase());
  throw new UserError("download.sha256", `download() of \`${url}\` has no SHA-256 of 64 hex digits`, {
    hint: `download("${url}", { sha256: "…" });   # sha256sum of the file that you trust`,
  });
}

function makeLocalDeb(r: ScriptletRecord, dir: unknown, control: unknown): LocalDebValue {
  const path = typeof dir === "string" ? join(r.source.folder, dir) : undefined;
  if (!path || !existsSync(path) || !statSync(path).isDirectory()) {
    throw new UserError("deb.dir", `buildDeb() finds no directory \`base/${r.name}/${String(dir)}\``, { hint: "it holds the files of the package, laid out as in the image" });
  }
  const c = (control ?? {}) as { name?: unknown; version?: unknown; depends?: unknown; units?: unknown };
  if (typeof c.name !== "string" || !/^[a-z0-9][a-z0-9+.-]+$/.test(c.name)) throw new UserError("deb.control", `buildDeb("${String(dir)}") has no right package name: \`${String(c.name)}\``);
  if (typeof c.version !== "string" || !isVersion(c.version)) {
    throw new UserError("deb.control", `buildDeb("${String(dir)}") has no right version: \`${String(c.version)}\``, { hint: "version: \"1.2-3\",   // begins with a digit, and has letters, digits, `.`, `+`, `~` and `-` (man 7 deb-version)" });
  }
  return new LocalDebValue(path, { name: c.name, version: c.version, depends: words(c.depends, "depends"), units: words(c.units, "units") });
}

function words(list: unknown, what: string): readonly string[] {
  if (list === undefined) return [];
  if (Array.isArray(list) && list.every((w) => typeof w === "string")) return [...list] as string[];
  throw new UserError("deb.control", `\`${what}\` of buildDeb() is ${kindOf(list)}; expected a list of texts`);
}

function checkPreseed(preseed: unknown): string {
  if (typeof preseed !== "string") throw new UserError("debconf.text", `debconf() takes text and got ${kindOf(preseed)}`);
  const rows = preseed.split("\n").map((l) => l.trim()).filter((l) => l !== "" && !l.startsWith("#"));
  const bad = rows.find((l) => !/^\S+\s+\S+\s+\S+/.test(l));
  if (bad !== undefined) throw new UserError("debconf.line", `\`${bad}\` is no debconf answer`, { hint: 'debconf("PACKAGE PACKAGE/QUESTION TYPE VALUE");' });
  return rows.join("\n");
}

// ── Guards ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Reads of `conf` are recorded: a scriptlet is run again only when something that it read has changed. */
function watchedConf(r: ScriptletRecord, shown: object): object {
  return new Proxy(shown, {
    get: (target, key) => {
      if (typeof key === "symbol") return undefined;
      r.confReads.add(key);
      if (key in target || !(typeof key === "string") || key === "toJSON") return Reflect.get(target, key) as unknown;
      throw noMember("`conf`", key, Object.keys(target));
    },
    ownKeys: (target) => {
      for (const key of Object.keys(target)) r.confReads.add(key);
      return Reflect.ownKeys(target);
    },
    set: (_, key) => {
      throw new UserError("conf.read-only", `\`conf.${String(key)}\` is read-only`, { hint: "what differs between images is set in conf/*.ts" });
    },
  });
}

/** A misspelt import speaks, instead of being undefined. */
function guarded(exports: object, what: string): object {
  return new Proxy(exports, {
    get: (target, key) => {
      if (typeof key === "symbol" || key in target || key === "__esModule" || key === "default") return Reflect.get(target, key) as unknown;
      throw noMember(what, key, Object.keys(target));
    },
  });
}

function noMember(what: string, key: string, known: readonly string[]): UserError {
  const near = nearest(key, known);
  return new UserError("load.member", `${what} has no \`${key}\``, { hint: near ? `did you mean \`${near}\`?` : `it has ${known.join(", ")}` });
}

