// A small real image and a sandbox for it, for tests of what runs inside.
import { join } from "node:path";
import { debPath } from "../../lib/cache.ts";
import { epochOf, readLock } from "../../lib/lock.ts";
import { openProject } from "../../lib/project.ts";
import { ensureTools } from "../../lib/rootfs/tools.ts";
import type { Sandbox } from "../../lib/sandbox.ts";
import { ensureStored } from "../../lib/store/store.ts";
import { debcastOk, project, sharedDownloads } from "./debcast.ts";
import { smallConf } from "./said.ts";

export interface Small {
  /** The project's directory. */
  readonly dir: string;
  readonly root: string;
  readonly sandbox: Sandbox;
  /** Makes the tools tree in `dir`, whether it is there or not. */
  freshTools(dir: string): Promise<Sandbox>;
  [Symbol.dispose](): void;
}

/** Builds an image of minbase and `scriptlets`. */
export async function smallImage(scriptlets: readonly string[] = []): Promise<Small> {
  const p = project({ "conf/small.ts": smallConf(scriptlets) });
  await debcastOk(["image", "-c", "small"], { cwd: p.dir });
  const lock = readLock(join(p.dir, "conf/small.lock"))!;
  const opened = openProject(p.dir, { ...process.env, DEBCAST_DOWNLOADS: sharedDownloads });
  const debs = lock.debs.filter((d) => d.roles.includes("tools"))
    .map((d) => ({ path: debPath(opened, lock.suite, lock.arch, d.filename), sha256: d.sha256, label: d.name }));
  const stored = await ensureStored({ debs, dir: join(sharedDownloads, "store"), emit: () => {} });
  const tools = (dir: string, cache: boolean) => ensureTools({ dir, lock, emit: () => {}, epoch: epochOf(lock), store: { get: async (sha256) => stored.get(sha256)! }, cache });
  const sandbox = await tools(join(sharedDownloads, "tools"), true);
  return { dir: p.dir, root: join(p.dir, "image/small"), sandbox, freshTools: (dir) => tools(dir, false), [Symbol.dispose]: () => p[Symbol.dispose]() };
}
