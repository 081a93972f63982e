// The sandbox without a build: for verbs that work on an image that is there.
import { join } from "node:path";
import { gather, pathOfDeb } from "./gather.ts";
import { epochOf, type Lock } from "./lock.ts";
import type { Prepared } from "./prepare.ts";
import { ensureTools } from "./rootfs/tools.ts";
import type { Sandbox } from "./sandbox.ts";
import { openStore, type Store } from "./store/store.ts";
import type { Context } from "./verbs/verb.ts";

/** `prepared` is asked for only when the tools tree has to be made. */
export async function openSandbox(c: Context, whole: Lock, prepared: () => Promise<Prepared>): Promise<Sandbox> {
  const lock = { ...whole, debs: whole.debs.filter((d) => d.roles.includes("tools")) };
  let store: Promise<Store> | undefined;
  const fill = async () => filledStore(c, { ...(await prepared()), lock });
  // Asked for many at once: the first one opens it for all.
  const get = async (sha256: string) => (await (store ??= fill())).get(sha256);
  try {
    return await ensureTools({ dir: join(c.project.downloads, "tools"), lock, store: { get }, emit: c.emit, epoch: epochOf(whole), cache: c.cache });
  } finally {
    await (await store?.catch(() => undefined))?.close();
  }
}

async function filledStore(c: Context, p: Prepared): Promise<Store> {
  await gather(c, p);
  const debs = p.lock.debs.map((d) => ({ path: pathOfDeb(c, p, d), sha256: d.sha256, label: d.name }));
  return openStore({ dir: join(c.project.downloads, "store"), debs, emit: c.emit, cache: c.cache });
}
