// What a build made takes its place: image/NAME/, the record of who made what, the ids in the lock.
import { existsSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { stage } from "../events.ts";
import { formatCount } from "../format.ts";
import { hashOf } from "../layers/shelf.ts";
import { formatLock, parseLock, writeLock, type Ledger, type Lock } from "../lock.ts";
import { writeMade } from "../made.ts";
import { takeSources, type Sources } from "../output/sources.ts";
import type { Prepared } from "../prepare.ts";
import type { Context } from "../verbs/verb.ts";
import {
  beginChange, copyWhole, endChange, handEdits, imagePhoto, readState, syncPaths, touchedBy, type ImageFiles, type ImageState,
} from "../output/image.ts";
import type { Photo } from "../layers/photo.ts";
import { shelfDir } from "../layers/shelf.ts";
import { removeTree } from "../rootfs/tree.ts";
import type { Works } from "./works.ts";

export interface PublishOptions extends ImageFiles {
  readonly keepEdits: boolean;
}

export interface Publisher {
  /** What the last build left, if that is known. */
  readonly before: ImageState | undefined;
  /** Another group of packages is in the tree, which now has this share of what all of them bring; a copy of it may begin. */
  grown(share: number): void;
  /** Nothing is made of the tree for a while: a copy that was begun takes up what came since. */
  catchUp(): void;
  /** Begins to look for edits by hand: late, because they can be made while the build goes on. */
  look(): void;
  /** Brings the image up to `root`, which is the finished tree. After `look`. */
  publish(root: string): Promise<void>;
  /** After `publish`: what went into the image is on record. */
  record(): Promise<ImageState>;
}

export function openPublisher(w: Works, o: PublishOptions): Publisher {
  const before = w.c.cache ? readState(o) : undefined;
  const shelf = shelfDir(w.c.project.downloads);
  const fresh = join(dirname(o.image), `.${w.p.conf.name}.copy`);
  let copy: { readonly trees: readonly string[]; readonly done: Promise<void> } | undefined;
  let kept: readonly string[] = [];
  let decided = false;
  let seen: Promise<Photo | undefined> = Promise.resolve(undefined);

  const begin = () => {
    if (copy || !w.chain.layered) return;
    const trees = w.chain.trees();
    keepCopy({ trees, done: w.chain.look((root) => copyWhole(root, fresh)) });
  };
  const keepCopy = (c: NonNullable<typeof copy>) => {
    copy = c;
    c.done.catch(() => {});
    w.beside.push(c.done);
  };
  /** Brings the copy from the layers that it has up to those that `root` has. */
  const bringUp = async (root: string, o: { had: readonly string[]; now: readonly string[] }) => {
    await syncPaths(root, fresh, { paths: touchedBy(shelf, o.now.slice(o.had.length)), epoch: w.p.epoch });
  };
  /** Layers that the image has in common with what is built now, if it can be told apart from the rest at all. */
  const inCommon = () => {
    if (!before || !existsSync(o.image) || before.trees.some((t) => !existsSync(join(shelf, t)))) return 0;
    const now = w.chain.trees();
    const differs = now.findIndex((t, i) => before.trees[i] !== t);
    return differs === -1 ? now.length : differs;
  };
  const inPlace = async (root: string, edits: readonly string[]) => {
    const undone = w.c.cache && o.keepEdits ? [] : edits;
    const [had, has] = [before!.same, samenessOf(w)];
    const changed = new Set([...touchedBy(shelf, differing(had, has)), ...touchedBy(shelf, differing(has, had)), ...undone]);
    beginChange(o);
    await syncPaths(root, o.image, { paths: changed, epoch: w.p.epoch, keep: o.keepEdits ? edits : [] });
    return changed.size;
  };
  const anew = async (root: string, edits: readonly string[]) => {
    begin();
    await copy!.done;
    await bringUp(root, { had: copy!.trees, now: w.chain.trees() });
    if (o.keepEdits) await syncPaths(o.image, fresh, { paths: edits, epoch: w.p.epoch });
    beginChange(o);
    await swap(fresh, o.image);
  };

  return {
    before,
    grown: (share) => {
      // Copied while packages are being configured, which leaves a processor idle; what comes later is brought up to date.
      if (decided || share <= 0.6) return;
      decided = true;
      if (inCommon() < w.chain.trees().length) begin();
    },
    catchUp: () => {
      if (!copy) return;
      const [before, now] = [copy, w.chain.trees()];
      keepCopy({ trees: now, done: before.done.then(() => w.chain.look((root) => bringUp(root, { had: before.trees, now }))) });
    },
    look: () => {
      if (before) seen = imagePhoto(o);
    },
    publish: async (root) => {
      const edits = before ? await handEdits(o, seen) : undefined;
      const all = [...new Set([...(edits ?? []), ...(before?.kept ?? [])])];
      tellOfEdits(w, all, o.keepEdits);
      if (o.keepEdits) kept = all;
      await stage(w.c.emit, "image", async () => {
        if (!w.chain.layered) return void (beginChange(o), await swap(root, o.image), (kept = []));
        if (copy === undefined && before && edits !== undefined && inCommon() > 0) return inPlace(root, all);
        return void (await anew(root, all));
      }, (changed) => (changed === undefined ? "copied" : `${formatCount(changed, "path")} brought up to date`));
    },
    record: async () => {
      const { c, p, chain } = w;
      writeMade(c.project, p.conf.name, w.made);
      const meanwhile = writtenMeanwhile(p.lockFile, p.lock);
      if (!c.locked) writeLock(p.lockFile, meanwhile ? withIds(meanwhile, w.ids.ledger) : { ...p.lock, ledger: w.ids.ledger });
      return endChange(o, {
        trees: chain.trees(), same: samenessOf(w), links: chain.told.map((t) => ({ name: t.name, inputs: t.inputs })), kept,
        always: chain.told.some((t) => (t.layer.facts as { always?: boolean } | null)?.always === true),
        // What is in the lock by now may have not been built yet.
        sources: meanwhile ? undefined : sourcesOf(w.c, w.p), answers: answersOf(w), ledger: ledgerKey(w.ids.ledger),
      });
    },
  };
}

/** The lock as somebody left it since a build began with it as `then`. */
function writtenMeanwhile(file: string, then: Lock): Lock | undefined {
  const text = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  if (text === undefined || text === formatLock(then)) return undefined;
  const now = parseLock(text, file);
  return formatLock(now) === formatLock(then) ? undefined : now;
}

/** A lock that somebody wrote meanwhile, with the ids of the build that has ended. */
function withIds(lock: Lock, ledger: Ledger): Lock {
  const both = (theirs: ReadonlyMap<string, number>, ours: ReadonlyMap<string, number>) => {
    const taken = new Set(ours.values());
    return new Map([...[...theirs].filter(([, id]) => !taken.has(id)), ...ours]);
  };
  return { ...lock, ledger: { users: both(lock.ledger.users, ledger.users), groups: both(lock.ledger.groups, ledger.groups) } };
}

/** The new tree takes the place of the old one, which is there until the moment before. */
async function swap(fresh: string, image: string): Promise<void> {
  const old = `${fresh}.old`;
  await removeTree(old);
  if (existsSync(image)) renameSync(image, old);
  renameSync(fresh, image);
  await removeTree(old);
}

function tellOfEdits(w: Works, edits: readonly string[], keep: boolean): void {
  if (edits.length === 0) return;
  const shown = edits.slice(0, 12).map((p) => `  ${JSON.stringify(p).slice(1, -1)}`);
  const more = edits.length > shown.length ? [`  … and ${edits.length - shown.length} more`] : [];
  const what = `${formatCount(edits.length, "path")} of the image ${edits.length === 1 ? "was" : "were"} edited by hand; ${keep ? "they are kept" : "that is undone"}:`;
  w.c.emit({ type: "warning", text: [what, ...shown, ...more].join("\n"), ...(!keep && { hint: "make them in a scriptlet, or build with --keep-edits" }) });
}

/** What each layer of the stack says, by its tree, lowest first: two that say the same changed the same. */
function samenessOf(w: Works): Record<string, string> {
  return Object.fromEntries(w.chain.told.flatMap(({ layer }) => {
    const same = (layer.facts as { same?: string } | null)?.same;
    return layer.tree === null ? [] : [[layer.tree, same ? `${layer.name} ${same}` : layer.state]];
  }));
}

/** Trees of one stack that have no like in the other; all of them where like ones are in another order. */
function differing(own: ImageState["same"], other: ImageState["same"]): string[] {
  const theirs = new Set(Object.values(other));
  const shared = Object.values(own).filter((s) => theirs.has(s));
  const mine = new Set(shared);
  const sameOrder = shared.join() === Object.values(other).filter((s) => mine.has(s)).join();
  return Object.keys(own).filter((tree) => !sameOrder || !theirs.has(own[tree]!));
}

/** Everything that was read to make the plan, and what it names. */
export function sourcesOf(c: Context, p: Prepared): Sources | undefined {
  const { plan, conf, lockFile } = p;
  const named = plan.scriptlets.flatMap((s) => s.debs).flatMap((d) => (d.kind === "file" ? [d.path] : d.kind === "build" ? [d.dir] : []));
  const secrets = [...new Set(plan.scriptlets.flatMap((s) => s.secrets))].map((name) => join(c.project.secretsDir, name));
  const read = plan.scriptlets.flatMap((s) => [...s.inputs, s.folder]);
  const prints = takeSources({
    paths: [...new Set([...read, ...(conf.inputs ?? [conf.file]), ...named, ...secrets])],
    lists: c.project.baseDirs, before: performance.timeOrigin,
  });
  // The lock is written by the build itself.
  return prints && { ...prints, ...takeSources({ paths: [lockFile], lists: [], before: Infinity }) };
}

/** What links learnt while they ran, beside their inputs. */
function answersOf(w: Works): Record<string, string> {
  const answers: Record<string, string> = {};
  for (const { layer } of w.chain.told) {
    const facts = layer.facts as { planned?: Record<string, boolean>; conf?: Record<string, string> } | null;
    for (const [name, was] of Object.entries(facts?.planned ?? {})) answers[`planned ${name}`] = String(was);
    for (const [key, value] of Object.entries(facts?.conf ?? {})) answers[`conf ${key}`] = value;
  }
  return answers;
}

export function ledgerKey(ledger: Ledger): string {
  const sorted = (ids: ReadonlyMap<string, number>) => [...ids].sort(([a], [b]) => (a < b ? -1 : 1));
  return hashOf(sorted(ledger.users), sorted(ledger.groups));
}
