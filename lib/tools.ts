// The sandbox without a build: for verbs that work on an image that is there.
import { join } from "node:path";
import { gather, pathOfDeb } from "./gather.ts";
import type { Prepared } from "./prepare.ts";
import { ensureTools } from "./rootfs/tools.ts";
import type { Sandbox } from "./sandbox.ts";
import { openStore } from "./store/store.ts";
import type { Context } from "./verbs/verb.ts";

export async function openSandbox(c: Context, p: Prepared): Promise<Sandbox> {
  const lock = { ...p.lock, debs: p.lock.debs.filter((d) => d.roles.includes("tools")) };
  await gather(c, { ...p, lock });
  const debs = lock.debs.map((d) => ({ path: pathOfDeb(c, p, d), sha256: d.sha256, label: d.name }));
  const store = openStore({ dir: join(c.project.downloads, "store"), debs, emit: c.emit, cache: c.cache });
  try {
    return await ensureTools({ dir: join(c.project.downloads, "tools"), lock, store, emit: c.emit, epoch: p.epoch, cache: c.cache });
  } finally {
    await store.close();
  }
}
