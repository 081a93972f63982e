// Every field of an image definition, checked when it is loaded: types help only who has an editor. Nothing stops at the first mistake.
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError, nearest } from "../errors.ts";
import { confPlace, type ConfSources } from "./confplace.ts";
import { checkDisk, checkListens } from "./confdisk.ts";
import { choice, flag, matching, stringList, ticked } from "./confkinds.ts";
import { checkUsers } from "./confusers.ts";
import type { Conf, Mirror } from "./plan.ts";
import { plainObject, shown } from "./values.ts";

/** Takes down what is wrong, at the place of a key. */
export interface Complaints {
  readonly conf: ConfSources;
  readonly confDir: string;
  readonly found: UserError[];
  /** `path`: keys and words that lead to the place. */
  wrong(path: readonly string[], message: string, hint?: string): void;
}

type Check = (value: unknown, c: Complaints) => unknown;

const suites = ["bookworm", "trixie", "forky", "sid"];
const allComponents = ["main", "contrib", "non-free", "non-free-firmware"];

/** Each key with its check, which returns the value as the plan has it. What is undefined is the default. */
const fields: Readonly<Record<string, Check>> = {
  suite: (v, c) => choice("suite", v, { of: suites, c }),
  arch: (v, c) => checkArch(v, c),
  scriptlets: (v, c) => (v === undefined ? void c.wrong([], "the conf has no `scriptlets`", 'scriptlets: ["kernel", "network", "ssh"],') : stringList("scriptlets", v, c)),
  options: (v, c) => checkOptions(v ?? {}, c),
  hostname: (v, c) => checkHostname(v, c),
  components: (v, c) => checkComponents(["components"], v ?? ["main"], c),
  updates: (v, c) => flag("updates", v, c),
  security: (v, c) => flag("security", v, c),
  mirrors: (v, c) => checkMirrors(v ?? [], c),
  keyring: (v, c) => (v === undefined ? undefined : checkKeyring(["keyring"], v, c)),
  locale: (v, c) => matching("locale", v ?? "C.UTF-8", { match: /^[A-Za-z]{1,3}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?$/, like: "`de_DE.UTF-8`", c }),
  timezone: (v, c) => matching("timezone", v ?? "Etc/UTC", { match: /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/, like: "`Europe/Berlin`", c }),
  users: (v, c) => checkUsers(v ?? [], c),
  cmdline: (v, c) => checkWords(v ?? [], c),
  excludes: (v, c) => checkExcludes(v ?? [], c),
  disk: (v, c) => checkDisk(v, c),
  listens: (v, c) => checkListens(v ?? [], c),
};

/** `image` as a conf with its defaults; what is wrong is in `found`, and then the conf is not to be used. */
export function checkImage(image: unknown, o: { conf: ConfSources; confDir: string }): { conf: Conf; found: readonly UserError[] } {
  const found: UserError[] = [];
  const c: Complaints = {
    ...o,
    found,
    wrong: (path, message, hint) => void found.push(new UserError("conf.bad", message, { where: confPlace(o.conf, path), hint })),
  };
  const given = image as Record<string, unknown>;
  for (const key of Object.keys(given)) if (!(key in fields)) unknownKey(key, c);
  const checked = Object.fromEntries(Object.entries(fields).map(([key, check]) => [key, check(given[key], c)]));
  const sid = checked.suite === "sid";
  for (const key of ["updates", "security"]) {
    if (sid && checked[key] === true) c.wrong([key], `\`${key}\` is set, but sid has no such suite`, `take \`${key}\` out`);
    checked[key] ??= !sid;
  }
  const { file, inputs } = o.conf;
  return { conf: { name: basename(file, ".ts"), file, inputs, ...checked } as unknown as Conf, found };
}

function unknownKey(key: string, c: Complaints): void {
  const near = nearest(key, Object.keys(fields));
  c.wrong([key], `an image definition has no \`${key}\``, near ? `did you mean \`${near}\`?` : `it has ${Object.keys(fields).map((k) => `\`${k}\``).join(", ")}`);
}

// ── Single fields ──────────────────────────────────────────────────────────────────────────────────────────────────

function checkArch(v: unknown, c: Complaints): unknown {
  if (v === "arm64" || v === "armhf") return void c.wrong(["arch"], `images for \`${v}\` are not made yet: only \`amd64\``, 'arch: "amd64",');
  return choice("arch", v, { of: ["amd64"], c });
}

function checkHostname(v: unknown, c: Complaints): unknown {
  if (v === undefined) return void c.wrong([], "the conf has no `hostname`", 'hostname: "gateway",');
  const label = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
  if (typeof v === "string" && v.length <= 64 && v.split(".").every((l) => label.test(l))) return v;
  c.wrong(["hostname"], `\`hostname\` is ${shown(v)}; expected letters, digits and \`-\`, no more than 64`);
  return undefined;
}

function checkComponents(path: readonly string[], v: unknown, c: Complaints): unknown {
  const list = stringList(path.at(-1)!, v, c);
  if (!list || path.length > 1) return list;
  for (const one of list.filter((l) => !allComponents.includes(l))) {
    const near = nearest(one, allComponents);
    c.wrong([...path, one], `Debian has no component \`${one}\``, near ? `did you mean \`${near}\`?` : `it has ${ticked(allComponents)}`);
  }
  return list;
}

function checkKeyring(path: readonly string[], v: unknown, c: Complaints): unknown {
  if (typeof v !== "string") return void c.wrong(path, `\`keyring\` is ${shown(v)}; expected the name of a file in conf/`);
  if (!v.startsWith("/") && !existsSync(join(c.confDir, v))) c.wrong(path, `there is no keyring \`conf/${v}\``, `put the archive's keyring there, or take \`keyring\` out to use this machine's`);
  return v;
}

function checkMirrors(v: unknown, c: Complaints): unknown {
  if (!Array.isArray(v)) return void c.wrong(["mirrors"], `\`mirrors\` is ${shown(v)}; expected a list`);
  return v.map((m: unknown) => checkMirror(m, c)).filter((m) => m !== undefined);
}

function checkMirror(m: unknown, c: Complaints): Mirror | undefined {
  const entry = (typeof m === "string" ? { uri: m } : (m ?? {})) as Record<string, unknown>;
  const { uri } = entry;
  if (typeof uri !== "string" || !/^https?:\/\/[^\s/]+(\/\S*)?$/.test(uri)) {
    return void c.wrong(["mirrors", ...(typeof uri === "string" ? [uri] : [])], `a mirror is ${shown(uri ?? m)}; expected an http or https address`, 'mirrors: ["http://mirror.example/debian"],');
  }
  if (typeof m === "string" || (entry.security === true && Object.keys(entry).length === 2)) return m as Mirror;
  const path = ["mirrors", uri];
  const keys = ["uri", "name", "suite", "components", "keyring"];
  for (const key of Object.keys(entry)) if (!keys.includes(key)) c.wrong([...path, key], `the mirror \`${uri}\` has an unknown key \`${key}\``, `{ uri, security: true } or { ${keys.join(", ")} }`);
  for (const key of keys) if (entry[key] === undefined) c.wrong(path, `the mirror \`${uri}\` lacks \`${key}\``, "another archive than Debian's has name, suite, components and keyring of its own");
  for (const key of ["name", "suite"]) {
    if (entry[key] !== undefined && !/^[\w.+/-]+$/.test(String(entry[key]))) c.wrong([...path, key], `\`${key}\` of the mirror \`${uri}\` is ${shown(entry[key])}`);
  }
  if (["main", "updates", "security"].includes(String(entry.name))) c.wrong([...path, "name"], `the mirror \`${uri}\` cannot be named \`${String(entry.name)}\`: that is Debian's own`);
  if (entry.components !== undefined) checkComponents([...path, "components"], entry.components, c);
  if (entry.keyring !== undefined) checkKeyring([...path, "keyring"], entry.keyring, c);
  return m as Mirror;
}

function checkOptions(v: unknown, c: Complaints): unknown {
  if (!plainObject(v)) return void c.wrong(["options"], `\`options\` is ${shown(v)}; expected { SCRIPTLET: { … } }`);
  for (const [name, values] of Object.entries(v)) {
    if (!plainObject(values)) c.wrong(["options", name], `\`options.${name}\` is ${shown(values)}; expected { OPTION: VALUE }`);
  }
  return v;
}

function checkWords(v: unknown, c: Complaints): unknown {
  const list = stringList("cmdline", v, c);
  for (const word of list?.filter((w) => /\s/.test(w) || w === "") ?? []) {
    c.wrong(["cmdline", word], `\`cmdline\` has ${shown(word)}; each word of the kernel command line is one text`, `cmdline: [${word.trim().split(/\s+/).map((w) => JSON.stringify(w)).join(", ")}],`);
  }
  return list;
}

function checkExcludes(v: unknown, c: Complaints): unknown {
  const list = stringList("excludes", v, c);
  for (const glob of list?.filter((g) => !g.startsWith("/")) ?? []) c.wrong(["excludes", glob], `\`excludes\` has \`${glob}\`, which is no path from \`/\``, `"/${glob}"`);
  return list;
}
