// What goes into each link of a build, by the names that people know it under: the link is made again when one of them differs.
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, realpathSync, statSync, writeFileSync, type Dirent } from "node:fs";
import { join, relative } from "node:path";
import { engineKey, engineRoot } from "../engine.ts";
import type { LockedDeb } from "../lock.ts";
import { isOwn } from "../plan/own.ts";
import type { Conf, Plan, PlannedScriptlet } from "../plan/plan.ts";
import { secretName } from "../plan/values.ts";
import type { Secrets } from "../secrets.ts";
import type { Inputs } from "./shelf.ts";

export type { Inputs };

export interface InputOptions {
  readonly plan: Plan;
  readonly tools: readonly LockedDeb[];
  readonly excludes: readonly string[];
  readonly secrets: Secrets;
  readonly epoch: number;
  readonly arch: string;
  /** Where the salt for secrets lies. */
  readonly shelf: string;
}

/** One package of a group. */
export interface Ingredient {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

export interface LinkInputs {
  packages(debs: readonly Ingredient[], scriptlets: readonly PlannedScriptlet[], first: boolean): Inputs;
  /** Of scriptlets that are run together, and of all that they need. */
  scriptlets(scriptlets: readonly PlannedScriptlet[]): Inputs;
  /** Of what depends on the whole tree. */
  settle(): Inputs;
  finish(scriptlets: readonly PlannedScriptlet[]): Inputs;
  /** A digest of one top-level value of the conf. */
  confValue(key: string): string;
  /** Keys of the conf that a scriptlet and all that it needs have read so far. */
  confRead(scriptlets: readonly PlannedScriptlet[]): readonly string[];
  /** Whether files of these scriptlets, and of all that they need, are others by now. */
  changedMeanwhile(scriptlets: readonly PlannedScriptlet[]): boolean;
}

export function openInputs(o: InputOptions): LinkInputs {
  const common = { debcast: engineKey(), architecture: o.arch, "date of the archive": String(o.epoch), tools: hash(o.tools.map((d) => d.sha256).sort().join(" ")) };
  const files = new Map<string, string>();
  const salt = readSalt(o.shelf);
  const secret = (name: string) => hash(`${salt} ${o.secrets.get(name)}`);
  const confValue = (key: string) => confDigest(o.plan.conf, key, secret);
  const needed = closureOf(o.plan);
  // What functions read when they run comes on top, and must not make the keys of later links depend on who ran.
  const readAtLoad = new Map(o.plan.scriptlets.map((s) => [s, s.confReads]));
  const read = (s: PlannedScriptlet, known: Map<string, string>): Inputs => ({
    ...Object.fromEntries(s.inputs.map((f) => [nameOf(o.plan, f), fileKey(f, known)])),
    ...folderInputs(o.plan, s, known),
  });
  const said = new Map<PlannedScriptlet, Inputs>();
  const sources = (s: PlannedScriptlet): Inputs => {
    if (!said.has(s)) said.set(s, read(s, files));
    return said.get(s)!;
  };
  const of = (s: PlannedScriptlet): Inputs => ({
    ...sources(s),
    // What runs was read before: its file may have been saved since then.
    [`code of ${s.name}`]: s.bundle,
    ...Object.fromEntries(readAtLoad.get(s)!.map((key) => (key === "options" ? [`options of ${s.name}`, hash(JSON.stringify(o.plan.conf.options[s.name] ?? null))] : [`conf.${key}`, confValue(key)]))),
    ...Object.fromEntries(s.downloads.map((d) => [`download ${d.url.split("/").pop()!}`, d.sha256])),
    ...Object.fromEntries(s.secrets.map((name) => [`secret ${name}`, secret(name)])),
  });
  const ofAll = (scriptlets: readonly PlannedScriptlet[]): Inputs => Object.assign({}, ...needed(scriptlets).map(of)) as Inputs;
  return {
    packages: (debs, scriptlets, first) => ({
      ...common,
      ...Object.fromEntries([...debs].sort((a, b) => (a.name < b.name ? -1 : 1)).map((d) => [`package ${d.name}`, `${d.version} ${d.sha256}`])),
      ...Object.fromEntries(o.excludes.map((glob) => [`exclude ${glob}`, "yes"])),
      "order of excludes": hash(o.excludes.join("\n")),
      ...(first ? {} : Object.fromEntries(scriptlets.filter((s) => s.debconf.length > 0).map((s) => [`debconf answers of ${s.name}`, hash(s.debconf.map((d) => d.text).join("\n"))]))),
      ...(first ? {} : ofAll(scriptlets.filter((s) => s.before.length > 0))),
      ...(first ? {} : { "order of scriptlets": scriptlets.filter((s) => s.debconf.length + s.before.length > 0).map((s) => s.name).join(" ") }),
    }),
    scriptlets: (scriptlets) => ({ ...common, ...ofAll(scriptlets) }),
    settle: () => common,
    finish: (scriptlets) => ({ ...common, ...ofAll(scriptlets.filter((s) => s.runLast.length > 0)), "order of scriptlets": scriptlets.map((s) => s.name).join(" ") }),
    confValue,
    confRead: (scriptlets) => [...new Set(needed(scriptlets).flatMap((s) => s.confReads))].filter((key) => key !== "options"),
    changedMeanwhile: (scriptlets) => {
      const now = new Map<string, string>();
      return needed(scriptlets).some((s) => JSON.stringify(sources(s)) !== JSON.stringify(read(s, now)));
    },
  };
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}

/** These scriptlets and all that they need, in the order of the plan. */
function closureOf(plan: Plan): (scriptlets: readonly PlannedScriptlet[]) => PlannedScriptlet[] {
  const byName = new Map(plan.scriptlets.map((s) => [s.name, s]));
  return (scriptlets) => {
    const all = new Set(scriptlets);
    for (const s of all) for (const n of s.needs) if (byName.has(n.name)) all.add(byName.get(n.name)!);
    return plan.scriptlets.filter((s) => all.has(s));
  };
}

/** As in base/NAME.ts, wherever base/ is: a project that lies elsewhere has the same names. */
function nameOf(plan: Plan, file: string): string {
  const confs = [plan.project.confDir, join(engineRoot, "conf")].map((dir) => ({ dir, name: "conf" }));
  const roots = [...plan.project.baseDirs.map((dir) => ({ dir, name: "base" })), ...confs];
  const root = roots.find(({ dir }) => file.startsWith(`${dir}/`));
  return root ? `${root.name}/${relative(root.dir, file)}` : relative(plan.project.dir, file);
}

/** Large files are known by what the file system says of them. */
const large = 4 << 20;

function fileKey(file: string, known: Map<string, string>): string {
  const there = known.get(file);
  if (there !== undefined) return there;
  const s = statSync(file, { throwIfNoEntry: false });
  if (!s) return "absent";
  const key = s.size > large ? `${s.ino} ${s.size} ${s.mtimeMs} ${s.ctimeMs}` : contentKey(file);
  known.set(file, `${key} ${(s.mode & 0o100) === 0 ? "" : "x"}`);
  return known.get(file)!;
}

/** Whoever copies a file that cannot be read is told of it then, with the line. */
function contentKey(file: string): string {
  try {
    return hash(readFileSync(file, "latin1"));
  } catch {
    return "unreadable";
  }
}

/** None of a directory that cannot be read, as of such a file. */
function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch {
    return [];
  }
}

function folderInputs(plan: Plan, s: PlannedScriptlet, known: Map<string, string>): Inputs {
  if (!existsSync(s.folder)) return {};
  const found: Record<string, string> = {};
  const add = (dir: string, above: readonly string[]) => {
    for (const e of entriesOf(dir)) {
      const file = join(dir, e.name);
      const name = nameOf(plan, file);
      if (e.isSymbolicLink()) {
        found[`${name} ->`] = readlinkSync(file);
        // What it leads to may be copied as if it lay here, unless it is a link of the image, which leads elsewhere.
        if (!isOwn(plan, s, file)) continue;
      }
      const is = statSync(file, { throwIfNoEntry: false });
      if (is?.isFile()) found[name] = fileKey(file, known);
      else if (is?.isDirectory()) {
        found[`${name}/`] = "directory";
        const real = realpathSync(file);
        if (!above.includes(real)) add(file, [...above, real]);
      }
    }
  };
  add(s.folder, [realpathSync(s.folder)]);
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Users carry their passwords, which are secrets. */
function confDigest(conf: Conf, key: string, secret: (name: string) => string): string {
  const passwords = key === "users" ? conf.users.flatMap((u) => secretName(u.password) ?? []) : [];
  return hash(JSON.stringify([(conf as unknown as Record<string, unknown>)[key] ?? null, passwords.map(secret)]));
}

/** A short secret could be guessed from its plain digest. */
function readSalt(dir: string): string {
  const file = join(dir, "salt");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString("hex"), { mode: 0o600 });
  return readFileSync(file, "utf8");
}
