// What the host's file system refuses: a disk that is full or fails, a file of somebody else's. Node says it with a stack, as it says a
// mistake of ours; the user can mend it, and wants to know which file it was.
import { accessSync, constants, existsSync, lstatSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "./errors.ts";
import { shellQuote } from "./run.ts";

/** By code: why, and what to do about it at `near`, the nearest that there is of the path. ENOENT and the like are not in it: whoever uses a file has to know whether it is there. */
const reasons: Readonly<Record<string, { why: string; hint: (near: string | undefined) => string | undefined }>> = {
  ENOSPC: { why: "no space is left there", hint: (near) => `df -h${word(near && directoryOf(near))}   # how full it is\ndebcast gc   # removes what no image needs any more` },
  EDQUOT: { why: "the quota there is used up", hint: () => "quota   # how much is used\ndebcast gc   # removes what no image needs any more" },
  EROFS: { why: "the file system is read-only", hint: (near) => (near === undefined ? "findmnt   # says what is mounted how" : `findmnt --target${word(near)}   # says how it is mounted`) },
  EACCES: { why: "permission is denied", hint: denied },
  EPERM: { why: "permission is denied", hint: denied },
  EIO: { why: "the disk fails (EIO)", hint: () => "dmesg | tail   # what the kernel says of it" },
  EMFILE: { why: "too many files are open", hint: () => "ulimit -n 8192   # and again in the same shell" },
  EISDIR: { why: "it is a directory", hint: inTheWay },
  ENOTDIR: { why: "a part of its path is no directory", hint: inTheWay },
};

/** What could not be done to the file, by the call to the kernel. Other calls are not about files: a network that refuses is told where it is used. */
const done: Readonly<Record<string, string>> = {
  open: "opened", read: "read", write: "written", writev: "written", ftruncate: "written", fsync: "written", fdatasync: "written", copyfile: "written", rename: "put in its place", link: "linked", symlink: "made",
  mkdir: "made", mkdtemp: "made", unlink: "removed", rmdir: "removed", rm: "removed", scandir: "read", opendir: "read", readlink: "read", realpath: "read", access: "read",
  stat: "looked at", lstat: "looked at", fstat: "looked at", statfs: "looked at", chmod: "changed", fchmod: "changed", chown: "changed", fchown: "changed", lchown: "changed", utime: "changed", futime: "changed", lutime: "changed",
};

/**
 * `e` as something that a user can mend, if it is that; else `e` itself. An error of a descriptor, such as of a write, names no path: with `path`
 * it has one. `as`: the code and the word of whoever knows better.
 */
export function hostError(e: unknown, o: { path?: string; as?: { code: string; done: string } } = {}): unknown {
  const { code = "", syscall = "", path: said, dest } = (e instanceof Error ? e : {}) as NodeJS.ErrnoException & { dest?: string };
  const reason = Object.hasOwn(reasons, code) ? reasons[code]! : undefined;
  const what = o.as?.done ?? (Object.hasOwn(done, syscall) ? done[syscall] : undefined);
  if (e instanceof UserError || !reason || what === undefined) return e;
  const isSource = syscall === "copyfile" && code === "EACCES" && said !== undefined && !mayAccess(said, constants.R_OK);
  const path = o.path ?? (isSource ? said : (dest ?? said));
  // Nobody could tell which file it is, and whose mistake.
  if (path === undefined && (code === "EISDIR" || code === "ENOTDIR")) return e;
  // What may be done to a name is up to its directory.
  const near = path === undefined ? undefined : nearestOf(["unlink", "rmdir", "rm", "rename"].includes(syscall) && code === "EACCES" ? dirname(path) : path);
  return new UserError(o.as?.code ?? "host.file", `${path === undefined ? "a file of this host" : `\`${path}\``} cannot be ${isSource ? "read" : what}: ${reason.why}`, { hint: reason.hint(near), cause: e });
}

/** `mode`: of constants of node:fs, such as R_OK. */
export function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function inTheWay(near: string | undefined): string | undefined {
  return near === undefined ? undefined : `ls -ld${word(near)}   # move it away if it does not belong there`;
}

/** In the namespaces of a build we are root, and root is somebody unknown. */
function denied(near: string | undefined): string {
  if (near === undefined) return "was something left by a run as another user? look for it with: find . -not -user $(id -un)";
  const { uid } = lstatSync(near);
  if (uid === process.getuid!()) return `chmod u+rwX${word(near)}   # it is yours`;
  const owner = uid === 0 ? "root" : "another user";
  return `ls -ld${word(near)}   # it belongs to ${owner}\nif a run as ${owner} has left it, remove it as ${owner}, or go on as ${owner}`;
}

/** The path, or what there is on the way to it. */
function nearestOf(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestOf(dirname(path));
}

function directoryOf(path: string): string {
  return lstatSync(path).isDirectory() ? path : dirname(path);
}

function word(path: string | undefined): string {
  return path === undefined ? "" : ` ${shellQuote([path])}`;
}
