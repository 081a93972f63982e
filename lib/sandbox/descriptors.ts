// Open files that we were started with (make's job server, a lock of a shell) must not reach into a sandbox.
import { readFileSync, readdirSync } from "node:fs";

const closeOnExec = 0o2000000;
let found: readonly number[] | undefined;

/** Descriptors above 2 that a child would inherit. Whatever we open ourselves is closed by itself, so one look is enough. */
export function leakedDescriptors(): readonly number[] {
  return (found ??= look());
}

function look(): number[] {
  return readdirSync("/proc/self/fdinfo").map(Number).filter((fd) => {
    if (fd <= 2) return false;
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
      return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
    } catch {
      // The directory's own descriptor, closed by now.
      return false;
    }
  });
}
