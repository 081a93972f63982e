// The command as a user runs it: a real child, its exit status, stdout and stderr.
import { spawn, spawnSync, execFileSync } from "node:child_process";
import { chownSync, cpSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { engineRoot } from "../../lib/engine.ts";
import { readLock } from "../../lib/lock.ts";

export const command = join(engineRoot, "bin/debcast");

/** One cache for all tests, so that nothing is fetched twice; the engine's own downloads/ unless DEBCAST_DOWNLOADS says. */
export const sharedDownloads = process.env.DEBCAST_DOWNLOADS ?? join(engineRoot, "downloads");

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunAs {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** A user of this machine: needs root. */
  readonly user?: string;
  readonly downloads?: string;
}

/** Runs `debcast ARGS` and waits. */
export function debcast(args: readonly string[], o: RunAs = {}): Promise<Ran> {
  const argv = [...(o.user ? asUser(o.user) : []), process.execPath, command, ...args];
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd: o.cwd ?? engineRoot,
    env: { ...process.env, DEBCAST_DOWNLOADS: o.downloads ?? sharedDownloads, NO_COLOR: "1", ...o.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (d: Buffer) => (stdout += d.toString()));
  child.stderr.on("data", (d: Buffer) => (stderr += d.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

/** Runs it and throws unless it ended with 0. */
export async function debcastOk(args: readonly string[], o: RunAs = {}): Promise<Ran> {
  const r = await debcast(args, o);
  if (r.status !== 0) throw new Error(`debcast ${args.join(" ")} ended with ${r.status}\n${r.stderr}${r.stdout}`);
  return r;
}

function asUser(user: string): string[] {
  return ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups", "env", `HOME=/nonexistent`, `USER=${user}`];
}

/** A project directory of its own, gone at the end; `files` by path. */
export function project(files: Record<string, string>, o: { owner?: string; parent?: string } = {}): { dir: string; [Symbol.dispose](): void } {
  const dir = mkdtempSync(join(o.parent ?? tmpdir(), "debcast-test-"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  if (o.owner) execFileSync("chown", ["-R", `${o.owner}:`, dir]);
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

/** The images that ship, as a project elsewhere: same conf, other directory. */
export function shippedConf(name: string): Record<string, string> {
  const files: Record<string, string> = { [`conf/${name}.ts`]: readFileSync(join(engineRoot, `conf/${name}.ts`), "utf8") };
  const lock = join(engineRoot, `conf/${name}.lock`);
  if (existsSync(lock)) files[`conf/${name}.lock`] = readFileSync(lock, "utf8");
  return files;
}

export const isRoot = process.getuid?.() === 0;

/**
 * A normal user with subordinate ids: DEBCAST_TEST_USER, or one that is made where CI is set and the tests are root.
 * Elsewhere undefined, with the reason.
 */
export function normalUser(): { name: string } | { skip: string } {
  const given = process.env.DEBCAST_TEST_USER;
  if (!isRoot) return { skip: "only root can become another user" };
  if (given) return { name: given };
  const name = "debcast-test";
  if (spawnSync("id", [name]).status === 0) return { name };
  if (!process.env.CI) return { skip: "set DEBCAST_TEST_USER to a user with a line in /etc/subuid, or CI=true to have one made" };
  // Another file of tests may have made it meanwhile.
  const r = spawnSync("useradd", ["--no-create-home", name], { encoding: "utf8" });
  if (spawnSync("id", [name]).status !== 0) throw new Error(r.stderr);
  return { name };
}

/** Says why a test does not run here; vitest shows it with the skipped test. */
export function skipUnless(ok: boolean, reason: string): { skip: boolean } {
  if (!ok) process.stderr.write(`skipped: ${reason}\n`);
  return { skip: !ok };
}

export function owned(dir: string, user: string): void {
  const [uid, gid] = [execFileSync("id", ["-u", user]), execFileSync("id", ["-g", user])].map(Number) as [number, number];
  mkdirSync(dir, { recursive: true });
  chownSync(dir, uid, gid);
}

/** Downloads of somebody's own that hold the .debs of these locks and nothing else. Hard links: nothing that debcast does writes into one. */
export function ownDownloads(dir: string, lockFiles: readonly string[], o: { owner?: string } = {}): string {
  const paths = lockFiles.map((file) => readLock(file)!).flatMap((lock) => lock.debs.map((d) => join(`deb.${lock.suite}.${lock.arch}`, basename(d.filename))));
  for (const d of new Set(["", ...paths.map(dirname)].map((d) => join(dir, d)))) {
    mkdirSync(d, { recursive: true });
    if (o.owner) owned(d, o.owner);
  }
  for (const path of new Set(paths)) {
    try {
      linkSync(join(sharedDownloads, path), join(dir, path));
    } catch {
      cpSync(join(sharedDownloads, path), join(dir, path)); // on another file system
    }
  }
  return dir;
}
