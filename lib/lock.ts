// conf/NAME.lock: every .deb exactly, and the archive state they came from. Text in deb822 paragraphs, sorted, no host names.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { KeptFields } from "./deb/kept.ts";
import { formatLock, parseLock } from "./lock/text.ts";

export { keptFields, type KeptField } from "./deb/kept.ts";
export { formatLock, parseLock };

/** One archive (a suite of a mirror) as it was when the lock was made. */
export interface LockedArchive {
  /** `main`, `updates`, `security`, or the name that a third-party mirror entry has in the conf. */
  readonly name: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Seconds since the epoch, from the Release's Date. */
  readonly date: number;
  /** SHA-256 of each component's Packages.xz as in the Release: enough to fetch it again by hash. */
  readonly indexes: readonly { path: string; sha256: string; size: number }[];
}

export interface LockedDeb {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly archive: string;
  /** Pool path, relative to the mirror. */
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
  readonly fields: KeptFields;
  /** `image`: in the image. `tools`: in the tools tree (both are possible). */
  readonly roles: readonly ("image" | "tools")[];
}

/** Ids that names have in the image; natural at first, then kept. */
export interface Ledger {
  readonly users: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
}

export interface Lock {
  readonly suite: string;
  readonly arch: string;
  readonly archives: readonly LockedArchive[];
  readonly debs: readonly LockedDeb[];
  /** What each pattern of installDeb stood for: `linux-image-*` → `linux-image-6.12.57+deb13-amd64`. */
  readonly patterns: ReadonlyMap<string, string>;
  readonly ledger: Ledger;
  /** Scriptlets with which the second and later groups of packages begin (plan/groups.ts). */
  readonly groups?: readonly string[] | undefined;
}

/** SOURCE_DATE_EPOCH of what is built from this lock: the newest of its archives' dates. */
export function epochOf(lock: Pick<Lock, "archives">): number {
  return Math.max(0, ...lock.archives.map((a) => a.date));
}

/** The lock in `file`, if there is one. */
export function readLock(file: string): Lock | undefined {
  if (!existsSync(file)) return undefined;
  return parseLock(readFileSync(file, "utf8"), file);
}

/** Writes the lock, whole or not at all; an unchanged one is left alone. Returns whether it was written. */
export function writeLock(file: string, lock: Lock): boolean {
  const text = formatLock(lock);
  if (existsSync(file) && readFileSync(file, "utf8") === text) return false;
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
  return true;
}
