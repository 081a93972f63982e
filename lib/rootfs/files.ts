// The file steps of before(), run() and runLast(): each resolves its path inside of the image first.
import {
  appendFileSync, chmodSync, chownSync, copyFileSync, existsSync, lchownSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync,
  rmSync, statSync, symlinkSync, writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError, nearest } from "../errors.ts";
import { globIn } from "./glob.ts";
import { readIds } from "./ids.ts";
import { realPath, resolveIn } from "./paths.ts";

export interface Attr {
  readonly mode?: number;
  readonly owner?: string;
  readonly group?: string;
  readonly restart?: readonly string[];
}

/** Makes `path` a directory, with every parent that is missing; those are root's, 0755. */
export function makeDir(root: string, path: string, a: Attr = {}): string {
  const missing: string[] = [];
  for (let p = realPath(root, path); !existsSync(join(root, p)); p = dirname(p)) missing.unshift(p);
  for (const p of missing) {
    mkdirSync(join(root, p));
    chmodSync(join(root, p), 0o755);
  }
  const at = resolveIn(root, path);
  if (!statSync(at).isDirectory()) throw new UserError("step.not-a-directory", `\`${path}\` is there already and is no directory`);
  applyAttr(root, at, a, undefined);
  return at;
}

/** Writes a file, following a link at its place inside of the image. */
export function writeFile(root: string, path: string, content: string | Uint8Array, a: Attr = {}): void {
  const at = placeFor(root, path);
  const isNew = !existsSync(at);
  writeFileSync(at, content);
  applyAttr(root, at, a, isNew ? 0o644 : undefined);
}

export function appendFile(root: string, path: string, content: string): void {
  const at = placeFor(root, path);
  const isNew = !existsSync(at);
  appendFileSync(at, content);
  if (isNew) applyAttr(root, at, {}, 0o644);
}

/** Copies a file or a tree of the host to `to` in the image; returns the paths made. Files are root's unless `a` says. */
export function copyIn(root: string, from: string, to: string, a: Attr = {}): string[] {
  const stat = lstatSync(from);
  if (stat.isDirectory()) {
    makeDir(root, to);
    return readdirSync(from).sort().flatMap((name) => copyIn(root, join(from, name), join(to, name), a));
  }
  if (stat.isSymbolicLink()) {
    makeLink(root, readlinkSync(from), to);
    return [to];
  }
  const at = placeFor(root, to);
  copyFileSync(from, at);
  applyAttr(root, at, a, (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
  return [to];
}

/** Makes a symbolic link, in place of a file or link that was there. */
export function makeLink(root: string, target: string, path: string): void {
  makeDir(root, dirname(path));
  const at = resolveIn(root, path, "keep");
  if (isDirectory(at)) throw new UserError("step.directory-there", `\`${path}\` is a directory, and a link cannot take its place`, { hint: `remove("${path}");` });
  rmSync(at, { force: true });
  symlinkSync(target, at);
}

/** Replaces text in a file; `times` is how often it must be found. */
export function editFile(root: string, path: string, o: { find: string | RegExp; put: string | ((...m: string[]) => string); times: number | "any" }): void {
  const at = resolveIn(root, path);
  const text = readText(root, path);
  const pattern = globalPattern(o.find);
  const found = [...text.matchAll(pattern)].length;
  if (found === 0) {
    const near = nearest(String(o.find), text.split("\n"));
    throw new UserError("step.edit-nothing", `\`${path}\` has nothing that matches \`${String(o.find)}\``, {
      details: text.split("\n").filter((l) => l.trim() !== "" && !l.startsWith("#")).slice(0, 10).join("\n"),
      hint: near === undefined ? "the first lines of the file are shown above" : `did you mean \`${near}\`?`,
    });
  }
  if (o.times !== "any" && found !== o.times) {
    throw new UserError("step.edit-times", `\`${path}\` matches \`${String(o.find)}\` ${found} times, and ${o.times} was expected`, {
      hint: `{ times: ${found} } or { times: "any" } says that this is meant`,
    });
  }
  writeFileSync(at, text.replace(pattern, replacement(o) as () => string));
}

/** A function gets what matched and its groups; a string takes `$1` and its like only beside a regular expression. */
function replacement({ find, put }: { find: string | RegExp; put: string | ((...m: string[]) => string) }): string | ((...m: unknown[]) => string) {
  if (typeof put === "function") return (...m) => put(...m.filter((x): x is string => typeof x === "string").slice(0, -1));
  return typeof find === "string" ? () => put : put;
}

/** Removes what the globs match; each must match something. Returns every path that is gone, and whether directories are among them. */
export function removePaths(root: string, globs: readonly string[]): { paths: string[]; directories: boolean } {
  let directories = false;
  const paths = globs.flatMap((glob) => {
    const found = globIn(root, glob);
    if (found.length === 0) throw new UserError("step.remove-nothing", `\`${glob}\` matches nothing in the image`, { hint: `if it need not be there: for (const p of await glob("${glob}")) remove(p);` });
    if (found.some((path) => resolveIn(root, path, "keep") === join(root))) throw new UserError("step.remove-root", `\`${glob}\` is the whole image`);
    const gone = found.flatMap((path) => below(root, path));
    directories ||= found.some((path) => isDirectory(resolveIn(root, path, "keep")));
    for (const path of found) rmSync(resolveIn(root, path, "keep"), { recursive: true, force: true });
    return gone;
  });
  return { paths, directories };
}

export function readText(root: string, path: string): string {
  const at = resolveIn(root, path);
  if (!existsSync(at)) throw absent(root, path);
  return readFileSync(at, "utf8");
}

function absent(root: string, path: string): UserError {
  const dir = resolveIn(root, dirname(path));
  const near = existsSync(dir) ? nearest(basename(path), readdirSync(dir)) : undefined;
  return new UserError("step.absent", `there is no \`${path}\` in the image`, { hint: near ? `did you mean \`${join(dirname(path), near)}\`?` : undefined });
}

/** Where a file of that path goes: parents made, links followed inside. */
function placeFor(root: string, path: string): string {
  if (path.endsWith("/")) throw new UserError("step.no-name", `\`${path}\` is a directory, and a file needs a name`, { hint: `"${path}NAME"` });
  makeDir(root, dirname(path));
  unmask(root, path);
  const at = resolveIn(root, path);
  if (isDirectory(at)) throw new UserError("step.directory-there", `\`${path}\` is a directory, and a file cannot take its place`, { hint: `a path that ends in \`/\` puts the file into it: "${path}/"` });
  return at;
}

/** What is masked is a link to /dev/null: a file of that name takes its place instead of being lost there. */
function unmask(root: string, path: string): void {
  const at = resolveIn(root, path, "keep");
  if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(at) === "/dev/null") rmSync(at);
}

function isDirectory(at: string): boolean {
  return lstatSync(at, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function applyAttr(root: string, at: string, a: Attr, defaultMode: number | undefined): void {
  if (a.owner !== undefined || a.group !== undefined) {
    const stat = statSync(at);
    chownSync(at, a.owner === undefined ? stat.uid : idOf(root, "passwd", a.owner), a.group === undefined ? stat.gid : idOf(root, "group", a.group));
  }
  // After the owner: a change of owner takes setuid away.
  const mode = a.mode ?? defaultMode;
  if (mode !== undefined) chmodSync(at, mode);
}

function idOf(root: string, file: "passwd" | "group", name: string): number {
  const ids = readIds(root, file);
  const id = ids.get(name);
  if (id !== undefined) return id;
  const near = nearest(name, ids.keys());
  throw new UserError("step.no-owner", `the image has no ${file === "passwd" ? "user" : "group"} \`${name}\``, { hint: near ? `did you mean \`${near}\`?` : undefined });
}

function below(root: string, path: string): string[] {
  const at = resolveIn(root, path, "keep");
  if (!lstatSync(at).isDirectory()) return [path];
  return [path, ...readdirSync(at).flatMap((name) => below(root, `${path}/${name}`))];
}

function globalPattern(find: string | RegExp): RegExp {
  if (typeof find === "string") return new RegExp(find.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "g");
  return new RegExp(find.source, find.flags.includes("g") ? find.flags : `${find.flags}g`);
}

/** The owner of a tree, files and links alike. */
export function chownTree(at: string, uid: number, gid: number): void {
  lchownSync(at, uid, gid);
  if (lstatSync(at).isDirectory()) for (const name of readdirSync(at)) chownTree(join(at, name), uid, gid);
}
