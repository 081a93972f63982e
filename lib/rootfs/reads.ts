// What programs read, as a digest: so that it is known when one of them would find the same as before.
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { resolveIn } from "./paths.ts";
import { walk } from "./tree.ts";

export interface Reads {
  /** Files, and directories with all that is in them. */
  readonly paths: readonly string[];
  readonly ignore?: RegExp | undefined;
  /** Times count as they will be clamped, in seconds. */
  readonly epoch: number;
}

/** SHA-256 over everything at and below some paths: content, kind, mode, and time. */
export function readsDigest(root: string, o: Reads): string {
  return sha256(o.paths.map((path) => `${path} ${pathDigest(root, path, o)}`).join("\n"));
}

export interface KnownDigests {
  /** As `readsDigest`; what lies below paths that are not in `changed` is not looked at again. */
  digest(root: string, o: Reads, changed: ReadonlySet<string>): string;
  save(): void;
}

/** Digests of the paths of one state of a tree, kept in `file`. */
export function openDigests(file: string): KnownDigests {
  const known = new Map<string, string>(readKnown(file));
  let added = false;
  const one = (root: string, path: string, o: Reads) => {
    const key = JSON.stringify([path, o.ignore?.source ?? "", o.epoch]);
    if (!known.has(key)) {
      known.set(key, pathDigest(root, path, o));
      added = true;
    }
    return known.get(key)!;
  };
  return {
    digest: (root, o, changed) => {
      const all = [...changed];
      // A directory that went or was replaced shows itself by not being there, or by what is in it now.
      const same = (path: string) => existsSync(resolveIn(root, path)) && !all.some((c) => c === path || c.startsWith(`${path}/`));
      return sha256(o.paths.map((path) => `${path} ${same(path) ? one(root, path, o) : pathDigest(root, path, o)}`).join("\n"));
    },
    save: () => {
      if (!added) return;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(`${file}.${process.pid}`, JSON.stringify([...known]));
      renameSync(`${file}.${process.pid}`, file);
    },
  };
}

function readKnown(file: string): [string, string][] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as [string, string][];
  } catch {
    return [];
  }
}

function pathDigest(root: string, path: string, o: Reads): string {
  const at = resolveIn(root, path);
  const stat = lstatSync(at, { throwIfNoEntry: false });
  if (!stat) return "-";
  const hash = createHash("sha256");
  const add = (name: string, file: string, s: Stats) => {
    if (o.ignore?.test(`/${name}`)) return;
    hash.update(`${name} ${s.mode} ${Math.min(o.epoch, Math.floor(s.mtimeMs / 1000))} `);
    if (s.isSymbolicLink()) hash.update(`${readlinkSync(file)} ${contentBehind(root, file)}`);
    else if (s.isFile()) hash.update(createHash("sha256").update(readFileSync(file)).digest());
    hash.update("\n");
  };
  add("", at, stat);
  if (stat.isDirectory()) walk(at, (name, s) => add(name, at + name, s));
  return hash.digest("hex");
}

function contentBehind(root: string, link: string): string {
  const at = resolveIn(root, link.slice(root.length));
  return lstatSync(at, { throwIfNoEntry: false })?.isFile() ? sha256(readFileSync(at)) : "";
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
