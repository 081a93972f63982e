// The packages of a tree or of a lock, and whose a path is.
import type { Lock } from "../lock.ts";
import { admin, type Tree } from "./tree.ts";

export interface Installed {
  readonly name: string;
  readonly arch: string;
  readonly version: string;
  /** Bytes, as the package itself says. */
  readonly installed: number;
}

/** By name; a package of another architecture than the image's is `name:arch`. */
export type Packages = ReadonlyMap<string, Installed>;

/** What dpkg's status in `tree` calls installed. */
export function packagesOf(tree: Tree): Packages {
  const found = stanzas(tree.read(`${admin}/status`)?.toString() ?? "").flatMap((text): Installed[] => {
    const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
    if (field("Package") === "" || /(not-installed|config-files)$/.test(field("Status"))) return [];
    return [{ name: field("Package"), arch: field("Architecture"), version: field("Version"), installed: Number(field("Installed-Size")) * 1024 || 0 }];
  });
  return byKey(found, nativeArch(tree, found));
}

/** Those that the lock puts into the image; debcast's own tools are not among them. */
export function packagesOfLock(lock: Lock): Packages {
  const debs = lock.debs.filter((d) => d.roles.includes("image"));
  return byKey(debs.map((d) => ({ name: d.name, arch: d.arch, version: d.version, installed: Number(d.fields["Installed-Size"] ?? 0) * 1024 || 0 })), lock.arch);
}

/** Key of a package as dpkg's files or a scriptlet name it: `libc6`, `libc6:amd64`. */
export function keysOf(packages: Packages): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const [key, p] of packages) {
    keys.set(`${p.name}:${p.arch}`, key);
    if (!keys.has(p.name) || key === p.name) keys.set(p.name, key);
  }
  return keys;
}

/** Which packages a path is of, by dpkg's lists: with diversions, and with /bin and the like as the links that they are. */
export function ownersOf(tree: Tree, packages: Packages): (path: string) => readonly string[] {
  const keys = keysOf(packages);
  const owners = new Map<string, string[]>();
  const elsewhere = diversions(tree);
  for (const file of tree.entries.keys()) {
    const id = file.startsWith(info) && file.endsWith(".list") ? file.slice(info.length, -5) : undefined;
    if (id === undefined) continue;
    const key = keys.get(id) ?? id;
    for (const line of tree.read(file)?.toString().split("\n") ?? []) {
      if (line === "") continue;
      const diverted = elsewhere.get(line);
      const path = merged(tree, diverted && diverted.by !== id.split(":")[0] ? diverted.to : line);
      const before = owners.get(path);
      if (!before) owners.set(path, [key]);
      else if (!before.includes(key)) before.push(key);
    }
  }
  return (path) => owners.get(path) ?? [];
}

/** Which packages a path comes and goes with: what they ship, what dpkg keeps about them, and their Python once compiled. */
export function explainersOf(tree: Tree, packages: Packages): (path: string) => readonly string[] {
  const owners = ownersOf(tree, packages);
  const keys = keysOf(packages);
  return (path) => {
    if (path.startsWith(info)) {
      const key = keys.get(path.slice(info.length).replace(/\.[^.]*$/, ""));
      return key === undefined ? [] : [key];
    }
    const [, dir, module] = /^(.*)\/__pycache__(?:\/(.+?)\.cpython-\d+(?:\.opt-\d)?\.pyc)?$/.exec(path) ?? [];
    const source = dir === undefined ? path : module === undefined ? dir : `${dir}/${module}.py`;
    return [...owners(path), ...(source === path ? [] : owners(source))];
  };
}

const info = `${admin}/info/`;

function merged(tree: Tree, path: string): string {
  if (path === "/.") return "/";
  const [, top] = /^(\/(?:bin|sbin|lib\w*))(?:\/|$)/.exec(path) ?? [];
  // The link itself stays whose it is.
  if (top === undefined || path === top || tree.entries.get(top)?.kind !== "symlink") return path;
  return `/usr${path}`;
}

/** Three lines each: the path, where it goes instead, and the package that it stays for. */
function diversions(tree: Tree): Map<string, { to: string; by: string }> {
  const lines = tree.read(`${admin}/diversions`)?.toString().split("\n") ?? [];
  const found = new Map<string, { to: string; by: string }>();
  for (let i = 0; i + 2 < lines.length; i += 3) found.set(lines[i]!, { to: lines[i + 1]!, by: lines[i + 2]! });
  return found;
}

function stanzas(text: string): string[] {
  return text.split(/\n\n+/);
}

function byKey(found: readonly Installed[], native: string): Packages {
  const pairs = found.map((p) => [p.arch === native || p.arch === "all" ? p.name : `${p.name}:${p.arch}`, p] as const);
  return new Map(pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** dpkg asks its own binary; its package says the same. */
function nativeArch(tree: Tree, found: readonly Installed[]): string {
  const dpkg = found.find((p) => p.name === "dpkg")?.arch;
  return dpkg ?? tree.read(`${admin}/arch`)?.toString().split("\n")[0]?.trim() ?? found.find((p) => p.arch !== "all")?.arch ?? "all";
}
