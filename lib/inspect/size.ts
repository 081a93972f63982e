// What makes a tree big: every byte is of one package, of one step, or of nobody, and every package of one scriptlet.
import type { Made } from "../made.ts";
import { bytesOf } from "./compare.ts";
import { ownersOf, type Packages } from "./packages.ts";
import type { Entry, Tree } from "./tree.ts";

export interface Measured {
  readonly tree: Tree;
  readonly packages: Packages;
  readonly made: readonly Made[];
  /** Scriptlets in the order of the plan, with the packages that each asks for; the first to ask has it. */
  readonly scriptlets: readonly { readonly name: string; readonly packages: readonly string[] }[];
}

export interface ScriptletSize {
  readonly name: string;
  readonly bytes: number;
  readonly packages: number;
  /** Of `bytes`, what its steps made. */
  readonly stepBytes: number;
}

export interface PackageSize {
  readonly name: string;
  readonly version: string;
  readonly bytes: number;
  readonly files: number;
  /** None when no scriptlet asks for it. */
  readonly scriptlet?: string;
}

export interface FileSize {
  readonly path: string;
  readonly bytes: number;
  readonly package?: string;
  readonly made?: Made;
}

export interface Sizes {
  readonly bytes: number;
  readonly files: number;
  /** Largest first, as are all lists. */
  readonly scriptlets: readonly ScriptletSize[];
  readonly packages: readonly PackageSize[];
  /** Of packages that no scriptlet asks for. */
  readonly unplanned: number;
  /** What programs made: caches, the initramfs, databases. */
  readonly nobody: { readonly bytes: number; readonly paths: readonly FileSize[] };
  readonly largest: readonly FileSize[];
}

export function sizesOf(m: Measured): Sizes {
  const files = filesOf(m);
  const scriptletOf = firstToAsk(m);
  const packages = packageSizes(m, files, scriptletOf);
  const loose = files.filter((f) => f.package === undefined && f.made === undefined);
  return {
    bytes: bytesOf(m.tree),
    files: files.length,
    scriptlets: scriptletSizes(m, files, packages),
    packages,
    unplanned: total(packages.filter((p) => p.scriptlet === undefined)),
    nobody: { bytes: total(loose), paths: places(loose) },
    largest: byBytes(files),
  };
}

export function total(sizes: readonly { readonly bytes: number }[]): number {
  return sizes.reduce((n, s) => n + s.bytes, 0);
}

/** Every file once, whatever number of names it has; a name that is somebody's says whose it is. */
function filesOf({ tree, packages, made }: Measured): FileSize[] {
  const owners = ownersOf(tree, packages);
  const steps = new Map(made.map((m) => [m.path, m]));
  const names = new Map<string, string[]>();
  for (const [path, entry] of tree.entries) if (entry.kind === "file") namesOf(names, entry, path).push(path);
  return [...names].map(([path, all]) => {
    const owner = first(all, (name) => owners(name)[0]);
    const step = owner === undefined ? first(all, (name) => steps.get(name)) : undefined;
    return { path, bytes: tree.entries.get(path)!.size, ...(owner !== undefined && { package: owner }), ...(step && { made: step }) };
  });
}

function namesOf(names: Map<string, string[]>, entry: Entry, path: string): string[] {
  const key = entry.same ?? path;
  const found = names.get(key) ?? [];
  names.set(key, found);
  return found;
}

function first<T>(names: readonly string[], of: (name: string) => T | undefined): T | undefined {
  for (const name of names) {
    const found = of(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstToAsk({ scriptlets }: Measured): ReadonlyMap<string, string> {
  const asking = new Map<string, string>();
  for (const s of scriptlets) for (const name of s.packages) if (!asking.has(name)) asking.set(name, s.name);
  return asking;
}

function packageSizes({ packages }: Measured, files: readonly FileSize[], scriptletOf: ReadonlyMap<string, string>): PackageSize[] {
  const shipped = grouped(files, (f) => f.package);
  const sizes = [...packages].map(([name, { version }]): PackageSize => {
    const own = shipped.get(name) ?? [];
    const scriptlet = scriptletOf.get(name);
    return { name, version, bytes: total(own), files: own.length, ...(scriptlet !== undefined && { scriptlet }) };
  });
  return byBytes(sizes);
}

function scriptletSizes({ scriptlets }: Measured, files: readonly FileSize[], packages: readonly PackageSize[]): ScriptletSize[] {
  const made = grouped(files.filter((f) => f.made), (f) => f.made!.where.scriptlet ?? "");
  const names = new Set([...scriptlets.map((s) => s.name), ...made.keys()]);
  return byBytes([...names].map((name): ScriptletSize => {
    const own = packages.filter((p) => p.scriptlet === name);
    const stepBytes = total(made.get(name) ?? []);
    return { name, bytes: total(own) + stepBytes, packages: own.length, stepBytes };
  }));
}

/** Files summed up where they lie, three names deep: `/usr/share/mime`, `/boot/initrd.img-6.12`. */
function places(files: readonly FileSize[]): FileSize[] {
  const deep = grouped(files, (f) => f.path.split("/").slice(0, 4).join("/"));
  return byBytes([...deep].map(([path, all]) => ({ path, bytes: total(all) })));
}

function byBytes<T extends { readonly bytes: number }>(sizes: readonly T[]): T[] {
  return [...sizes].sort((a, b) => b.bytes - a.bytes);
}

function grouped<T, K>(all: readonly T[], keyOf: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return groups;
}
