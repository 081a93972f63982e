// Figures and places as people read them.
import { relative } from "node:path";
import type { Where } from "./errors.ts";

/** `1.2 MB`; powers of 1000, as Debian counts. */
export function formatBytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  for (; Math.abs(n) >= 999.5 && i < units.length - 1; i++) n /= 1000;
  return `${i === 0 || Math.abs(n) >= 99.5 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** `35 ms`, `4.2 s`, `2 min 5 s`. */
export function formatTime(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 99.5) return `${s.toFixed(1)} s`;
  return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
}

/** The commands in a hint, so that they work where this one did: on the same conf and project. */
export function addressed(text: string, o: { conf?: string | undefined; directory?: string | undefined }): string {
  return text.replace(/\bdebcast (image|check|plan|lock|update|fetch|deps|why|tar|disk|stick|vm|push|status|pull|ssh|logs|boot-test|shell|try|log|diff|size|gc|clean)\b([^`\n]*)/g, (_, verb: string, tail: string) => {
    const dir = o.directory === undefined || / -C /.test(tail) ? "" : ` -C ${o.directory}`;
    const conf = o.conf === undefined || ["clean", "diff", "gc"].includes(verb) || / -c /.test(tail) ? "" : ` -c ${o.conf}`;
    return `debcast ${verb}${dir}${conf}${tail}`;
  });
}

/** `1 package`, `2 packages`. */
export function formatCount(n: number, one: string): string {
  return `${n} ${one}${n === 1 ? "" : "s"}`;
}

/** `base/ssh.ts:4:1 (ssh)`: relative to where the user stands, when that is shorter. */
export function formatWhere(w: Where): string {
  const near = relative(process.cwd(), w.file);
  const file = near !== "" && near.length < w.file.length ? near : w.file;
  const position = w.line === undefined ? "" : `:${w.line}${w.column === undefined ? "" : `:${w.column}`}`;
  return `${file}${position}${w.scriptlet ? ` (${w.scriptlet})` : ""}`;
}
