// Paths of an image as the image itself sees them: links are followed inside of its tree and never out of it. Everything that
// this process reads or writes in a tree with foreign content goes through here. It holds while nothing else writes there,
// which is so between two runs of the sandbox: no process of it is left.
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { UserError } from "../errors.ts";

export interface Inside {
  readonly root: string;
  /** The directory `path` leads to, as a path without links relative to the root ("" is the root); undefined if there is none. */
  directory(path: string): string | undefined;
  /** Path on this machine of `path`, whose last part is not followed; undefined if its directory is not there. */
  locate(path: string): string | undefined;
  /** Must be called after a directory or a link to one was removed or replaced. */
  forget(): void;
  /** Content of a plain file, links followed inside; undefined if there is none. */
  read(path: string): Buffer | undefined;
  /** Makes or replaces a plain file, in a directory that must be there. A link in its place is replaced, not followed. */
  write(path: string, content: string | Uint8Array, mode?: number): void;
  remove(path: string): void;
}

/** Enough for any honest chain. */
const mostLinks = 40;

export function openInside(root: string): Inside {
  const known = new Map<string, string>([["", ""]]);
  const walk = (from: string, path: string, links: { left: number }): string | undefined => {
    let at: string | undefined = from;
    for (const part of path.split("/")) {
      if (part === "" || part === ".") continue;
      if (part === "..") at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      else at = step(at, part, links);
      if (at === undefined) return undefined;
    }
    return at;
  };
  const step = (at: string, part: string, links: { left: number }): string | undefined => {
    const next = `${at}/${part}`;
    const stat = lstatSync(root + next, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return next;
    if (!stat?.isSymbolicLink() || --links.left < 0) return undefined;
    const target = readlinkSync(root + next);
    return walk(target.startsWith("/") ? "" : at, target, links);
  };
  const directory = (path: string): string | undefined => {
    const cached = known.get(path);
    if (cached !== undefined) return cached;
    const slash = path.lastIndexOf("/");
    const parent = slash <= 0 ? "" : directory(path.slice(0, slash));
    const found = parent === undefined ? undefined : walk(parent, path.slice(slash + 1), { left: mostLinks });
    if (found !== undefined) known.set(path, found);
    return found;
  };
  const locate = (path: string): string | undefined => {
    const slash = path.lastIndexOf("/");
    const parent = directory(path.slice(0, Math.max(0, slash)));
    return parent === undefined ? undefined : `${root}${parent}/${path.slice(slash + 1)}`;
  };
  return {
    root, directory, locate,
    forget: () => {
      known.clear();
      known.set("", "");
    },
    read: (path) => readPlain(root, { locate, directory }, path),
    write: (path, content, mode = 0o644) => writePlain(mustLocate(locate, path), content, mode),
    remove: (path) => {
      const real = locate(path);
      if (real !== undefined) rmSync(real, { force: true });
    },
  };
}

function mustLocate(locate: Inside["locate"], path: string): string {
  const real = locate(path);
  if (real !== undefined) return real;
  throw new UserError("image.no-directory", `the image has no directory for \`${path}\``);
}

function readPlain(root: string, i: Pick<Inside, "locate" | "directory">, path: string): Buffer | undefined {
  let at: string | undefined = path;
  for (let links = mostLinks; links > 0; links--) {
    const real: string | undefined = i.locate(at);
    const stat = real === undefined ? undefined : lstatSync(real, { throwIfNoEntry: false });
    if (real === undefined || stat === undefined) return undefined;
    if (stat.isFile()) return readNoFollow(real);
    if (!stat.isSymbolicLink()) return undefined;
    const target: string = readlinkSync(real);
    at = target.startsWith("/") ? target : `${real.slice(root.length, real.lastIndexOf("/"))}/${target}`;
  }
  return undefined;
}

function readNoFollow(real: string): Buffer | undefined {
  const fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return fstatSync(fd).isFile() ? readFileSync(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** A new file beside it, then a rename: what was there is never written into, whatever it was. */
function writePlain(real: string, content: string | Uint8Array, mode: number): void {
  const temporary = `${real}.debcast-new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, content, { flag: "wx", mode });
  chmodSync(temporary, mode);
  renameSync(temporary, real);
}
