// The pipeline, a line per stage: read this first. A proved lock goes in, image/NAME/ comes out.
//
// Each stage is one or more links of a chain (layers/chain.ts): what a link changes is kept and reused while nothing that went into
// it differs. image/NAME/ is then brought up to date with the layers that changed.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beginLook, checkImage } from "./build/check.ts";
import { packages } from "./build/packages.ts";
import { openPublisher, type Publisher } from "./build/publish.ts";
import { summary, writeRebuild } from "./build/rebuild.ts";
import { scriptlets } from "./build/scriptlets.ts";
import { cleanUp, makeCaches, settleTree } from "./build/settle.ts";
import { openWorks, type Works } from "./build/works.ts";
import { stage } from "./events.ts";
import { idOf, memoDir } from "./layers/shelf.ts";
import { failedTree, workTree, type ImageFiles } from "./output/image.ts";
import type { Prepared } from "./prepare.ts";
import { openDigests } from "./rootfs/reads.ts";
import { moveTree, removeTree } from "./rootfs/tree.ts";
import type { Context } from "./verbs/verb.ts";

export interface Built {
  /** Absolute path of image/NAME/. */
  readonly image: string;
  readonly paths: number;
  readonly bytes: number;
}

export interface BuildOptions {
  readonly files: ImageFiles;
  readonly keepEdits: boolean;
}

/** Makes the whole image. On failure the tree stays for `shell --failed`, and the image that was there is untouched. */
export async function buildImage(c: Context, p: Prepared, o: BuildOptions): Promise<Built> {
  for (;;) {
    const built = await buildOnce(c, p, o);
    if (built) return built;
    // A layer that somebody had touched has been thrown away: this time it is made.
  }
}

async function buildOnce(c: Context, p: Prepared, o: BuildOptions): Promise<Built | undefined> {
  const plain = workTree(o.files.image);
  const w = await openWorks(c, p, { plain });
  const publisher = openPublisher(w, { ...o.files, keepEdits: o.keepEdits });
  try {
    await install(w, publisher);
    await runAll(w, publisher);
    publisher.look();
    await stage(c.emit, "finish", () => cleanUp(w));
    await w.typed;
    if (await isSpoilt(w)) {
      await w.close();
      return undefined;
    }
    await w.chain.look(async (root) => {
      await stage(c.emit, "check", () => checkImage(w, root));
      await publisher.publish(root);
    });
    const [{ paths, bytes }] = await Promise.all([publisher.record(), w.close()]);
    writeRebuild(w, publisher.before);
    w.log.end();
    await removeTree(failedTree(o.files.image));
    return { image: o.files.image, paths, bytes };
  } catch (e) {
    await Promise.allSettled(w.beside);
    // What fails by now is nothing that anybody has to know beside this.
    await keepFailed(w, { plain, failed: failedTree(o.files.image) }).catch(() => {});
    await w.close().catch(() => {});
    throw e;
  }
}

/** Every package unpacked and configured, with the ids of the ledger. */
export async function install(w: Works, publisher?: Publisher): Promise<void> {
  await stage(w.c.emit, "packages", () => packages(w, (share) => publisher?.grown(share)), () => summary(w, 0, publisher?.before));
  w.installed.links = w.chain.told.length;
  w.installed.trees = w.chain.trees().length;
  w.installed.state = w.chain.state;
  w.installed.digests = openDigests(join(memoDir(w.c.project.downloads), "digests", `${idOf(w.chain.state)}.json`));
}

/** What the scriptlets do, then what depends on the whole tree. */
export async function runAll(w: Works, publisher?: Publisher): Promise<void> {
  await stage(w.c.emit, "run", () => scriptlets(w), () => summary(w, w.installed.links, publisher?.before));
  await stage(w.c.emit, "settle", async () => {
    await settleTree(w);
    await makeCaches(w, () => {
      beginLook(w);
      publisher?.catchUp();
    });
    beginLook(w);
  });
}

async function isSpoilt(w: Works): Promise<boolean> {
  const spoilt = await w.chain.spoilt();
  for (const { layer, path } of spoilt) w.c.emit({ type: "warning", text: `\`${path}\` of the cached layer \`${layer.name}\` was touched since it was made: the layer is made again` });
  return spoilt.length > 0;
}

async function keepFailed(w: Works, { plain, failed }: { plain: string; failed: string }): Promise<void> {
  const layers = w.chain.failed();
  if (layers === undefined && !existsSync(plain)) return;
  await removeTree(failed);
  if (layers === undefined) return renameSync(plain, failed);
  mkdirSync(failed, { recursive: true });
  await moveTree(layers.top, join(failed, "top"));
  writeFileSync(join(failed, "stack.json"), JSON.stringify([...layers.stack, join(failed, "top")]));
}
