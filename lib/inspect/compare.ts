// What differs between two sides: packages, and paths; those that a changed package explains are summed up under it.
import type { Made } from "../made.ts";
import { sameContents } from "./contents.ts";
import { explainersOf, type Packages } from "./packages.ts";
import type { Entry, Tree } from "./tree.ts";

/** One of the two things compared; a lock has no tree. */
export interface Side {
  readonly packages: Packages;
  readonly tree?: Tree;
  readonly made: readonly Made[];
}

export type Change = "added" | "removed" | "changed";

export interface Difference {
  readonly aspect: "type" | "content" | "mode" | "owner" | "target" | "device" | "attributes" | "time";
  readonly from?: string;
  readonly to?: string;
}

export interface PathChange {
  readonly path: string;
  readonly change: Change;
  /** What differs, of a changed path. */
  readonly what: readonly Difference[];
  /** By how much the tree grew. */
  readonly bytes: number;
  /** An unchanged package that ships it. */
  readonly package?: string;
  /** The step that made it. */
  readonly made?: Made;
}

export interface PackageChange {
  readonly name: string;
  readonly change: Change;
  readonly from?: string;
  readonly to?: string;
  /** Growth by what the packages say of themselves. */
  readonly installed: number;
  /** Of its paths in the trees; none when a side is a lock. */
  readonly files?: PathSum;
}

export interface PathSum {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly bytes: number;
}

export interface Comparison {
  readonly packages: readonly PackageChange[];
  /** Paths that no changed package explains, by path; none when a side is a lock. */
  readonly files?: readonly PathChange[];
  readonly bytes?: { readonly from: number; readonly to: number };
}

export function compare(a: Side, b: Side, o: { times: boolean }): Comparison {
  const packages = comparePackages(a.packages, b.packages);
  if (!a.tree || !b.tree) return { packages };
  const explained = new Map(packages.map((p) => [p.name, [] as PathChange[]]));
  const files: PathChange[] = [];
  const attribute = attribution(a, b, explained);
  for (const change of comparePaths(a.tree, b.tree, o)) {
    const { by, ...rest } = attribute(change);
    if (by === undefined) files.push({ ...change, ...rest });
    else explained.get(by)!.push(change);
  }
  return {
    packages: packages.map((p) => ({ ...p, files: sum(explained.get(p.name)!) })),
    files,
    bytes: { from: bytesOf(a.tree), to: bytesOf(b.tree) },
  };
}

/** Whether two sides are the same. */
export function isEmpty(c: Comparison): boolean {
  return c.packages.length === 0 && (c.files ?? []).length === 0;
}

export function sum(changes: readonly PathChange[]): PathSum {
  const count = (change: Change) => changes.filter((c) => c.change === change).length;
  return { added: count("added"), removed: count("removed"), changed: count("changed"), bytes: changes.reduce((n, c) => n + c.bytes, 0) };
}

export function bytesOf(tree: Tree): number {
  let bytes = 0;
  for (const entry of tree.entries.values()) bytes += entry.bytes;
  return bytes;
}

function comparePackages(a: Packages, b: Packages): PackageChange[] {
  return union(a, b).flatMap((name): PackageChange[] => {
    const [from, to] = [a.get(name), b.get(name)];
    if (from && to && from.version === to.version && from.arch === to.arch) return [];
    const change = from === undefined ? "added" : to === undefined ? "removed" : "changed";
    return [{ name, change, ...(from && { from: from.version }), ...(to && { to: to.version }), installed: (to?.installed ?? 0) - (from?.installed ?? 0) }];
  });
}

/** Which changed package explains a path; else which package or step it is of. A step explains more than a package does. */
function attribution(a: Side, b: Side, changed: ReadonlyMap<string, unknown>): (c: PathChange) => { by?: string; package?: string; made?: Made } {
  const owners = [b, a].map((side) => explainersOf(side.tree!, side.packages));
  const made = [b, a].map((side) => new Map(side.made.map((m) => [m.path, m])));
  return ({ path, change }) => {
    const sides = change === "added" ? [0] : change === "removed" ? [1] : [0, 1];
    const step = sides.map((i) => made[i]!.get(path)).find((m) => m !== undefined);
    if (step) return { made: step };
    const names = sides.flatMap((i) => owners[i]!(path));
    const by = names.find((name) => changed.has(name));
    if (by !== undefined) return { by };
    return names[0] === undefined ? {} : { package: names[0] };
  };
}

function* comparePaths(a: Tree, b: Tree, o: { times: boolean }): Generator<PathChange> {
  for (const path of union(a.entries, b.entries)) {
    const [from, to] = [a.entries.get(path), b.entries.get(path)];
    const bytes = (to?.bytes ?? 0) - (from?.bytes ?? 0);
    if (!from || !to) {
      yield { path, change: from ? "removed" : "added", what: [], bytes };
      continue;
    }
    const what = differences(from, to, o);
    if (what.length > 0) yield { path, change: "changed", what, bytes };
  }
}

function differences(a: Entry, b: Entry, o: { times: boolean }): Difference[] {
  if (a.kind !== b.kind) return [{ aspect: "type", from: a.kind, to: b.kind }];
  const found: Difference[] = [];
  const note = (aspect: Difference["aspect"], from?: string, to?: string) => {
    if (from !== to) found.push({ aspect, ...(from !== undefined && { from }), ...(to !== undefined && { to }) });
  };
  if (a.kind === "file" && (a.size !== b.size || !sameContents(a, b))) found.push({ aspect: "content" });
  // The mode of a link says nothing, and a tarball has another one than a file system.
  if (a.kind !== "symlink") note("mode", octal(a.mode), octal(b.mode));
  note("owner", `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`);
  note("target", a.link, b.link);
  note("device", a.device, b.device);
  // A directory does not tell; then nothing can be said.
  if (a.attributes !== undefined && b.attributes !== undefined && a.attributes !== b.attributes) found.push({ aspect: "attributes" });
  if (o.times) note("time", time(a.mtime), time(b.mtime));
  return found;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function time(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace(".000Z", "Z");
}

/** All keys in order; of paths, what lies in a directory follows it. */
function union(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): string[] {
  const keys = [...new Set([...a.keys(), ...b.keys()])].map((key) => key.replaceAll("/", "\0"));
  return keys.sort().map((key) => key.replaceAll("\0", "/"));
}
