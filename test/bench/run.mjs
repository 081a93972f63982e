// Programs are started here: timed from start to exit, their output kept in a file, and ended when the bench is.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { watchMemory } from "./memory.mjs";

const running = new Set();

export class Failed extends Error {}

/**
 * Runs `argv`; its output goes into the file `log`. Resolves to seconds of wall clock and, with `memory`, what it took of that.
 * A status other than 0 is a Failed with the end of the log.
 */
export function run(argv, { log, cwd, env, memory = false }) {
  const fd = openSync(log, "w");
  return new Promise((resolve, reject) => {
    const start = performance.now();
    // A group of its own: what it started goes with it.
    const child = spawn(argv[0], argv.slice(1), { cwd, env: { ...process.env, ...env }, stdio: ["ignore", fd, fd], detached: true });
    running.add(child);
    const watch = memory ? watchMemory(child.pid) : undefined;
    const over = () => {
      running.delete(child);
      closeSync(fd);
      return watch?.stop();
    };
    child.on("error", (e) => (over(), reject(new Failed(`${argv[0]}: ${e.message}`))));
    child.on("exit", (status, signal) => {
      const seconds = (performance.now() - start) / 1000;
      const peak = over();
      if (status === 0) resolve({ seconds, peak });
      else reject(new Failed(`${argv.join(" ").slice(0, 300)}\nended with ${signal ?? status}; the end of ${log}:\n${tail(log)}`));
    });
  });
}

/** Ends what runs, with what it started; namespaces that a rival has entered go with their first process. */
export function endAll() {
  for (const child of running) {
    try {
      process.kill(-child.pid, "SIGTERM");
    } catch {
      // It has ended by itself.
    }
  }
}

function tail(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-25).join("\n");
}
