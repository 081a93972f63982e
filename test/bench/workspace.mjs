// The scratch directory: a project to measure with, caches of its own, and rubbish that is removed when nothing is being timed.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** After much was removed, the file system has work left that no `sync` waits for. */
const settleMs = 5000;

export function openWorkspace({ dir, keep }) {
  const root = dir === undefined ? mkdtempSync(join(tmpdir(), "debcast-bench-")) : resolve(dir);
  const at = (name) => join(root, name);
  const paths = { root, project: at("project"), downloads: at("downloads"), trash: at("trash"), rivals: at("rivals"), logs: at("logs") };
  for (const path of Object.values(paths)) mkdirSync(path, { recursive: true });
  let asides = 0;

  return {
    ...paths,
    /** Takes a tree away at once; it is deleted by `purge`. Whether there was one. */
    aside(path) {
      if (!existsSync(path)) return false;
      renameSync(path, join(paths.trash, `${process.pid}-${asides++}`));
      return true;
    },
    /** Deletes what was put aside. Not before a timed part without a pause: removing much slows what comes after it. */
    async purge() {
      if (readdirSync(paths.trash).length === 0) return;
      rmSync(paths.trash, { recursive: true, force: true });
      mkdirSync(paths.trash);
      calm();
      await new Promise((done) => setTimeout(done, settleMs));
    },
    log: (name) => join(paths.logs, `${name}.log`),
    close() {
      const kept = keep || dir !== undefined;
      rmSync(kept ? paths.trash : root, { recursive: true, force: true });
      return kept ? root : undefined;
    },
  };
}

/**
 * Nothing waits to be written, and the page cache holds all files below `dirs`, of which the machine may have given back any in the minute
 * of another's build.
 */
export function calm(...dirs) {
  execFileSync("sync");
  for (const dir of dirs) execFileSync("sh", ["-c", 'find "$1" -type f -exec cat {} + >/dev/null', "sh", dir]);
}
