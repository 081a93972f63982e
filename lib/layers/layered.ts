// The chain on overlay mounts: each link has the layers of those before it below, and an empty directory above, which becomes its own.
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../rootfs/tree.ts";
import type { Shell } from "../run/shell.ts";
import type { Chain, ChainOptions, Change, Link, Remembered, Result, Told } from "./chain.ts";
import { clampLayer, digestOf } from "./delta.ts";
import { mountOverlay, openBench, unmount } from "./overlay.ts";
import { hashOf, idOf, newTree, signIn, sweep, type Layer } from "./shelf.ts";

export class Layered implements Chain {
  readonly layered = true;
  readonly told: Told[] = [];
  readonly #o: ChainOptions;
  readonly #stack: Layer[] = [];
  #fresh: Layer[] = [];
  #learnt: Layer[] = [];
  #puts: Promise<unknown>[] = [];
  #touched: Promise<Map<Layer, string>>[] = [];
  #unchecked: Layer[] = [];
  #state = "";
  #benches = 0;
  #failed: string | undefined;
  /** What is being remembered right now, or has been in this build. */
  readonly #remembering = new Map<string, Promise<Change>>();
  readonly #signOut: () => void;
  readonly #shell: Shell;
  #lastPut = performance.now();
  #closed: Promise<void> | undefined;

  constructor(o: ChainOptions, shell: Shell) {
    this.#o = o;
    this.#shell = shell;
    const notes = [signIn(o.shelf.dir), signIn(o.memo.dir)];
    this.#signOut = () => notes.forEach((takeBack) => takeBack());
  }

  async link(l: Link): Promise<Layer> {
    const start = performance.now();
    const id = idOf(this.#state, l.name, l.inputs);
    const there = this.#o.cache && this.#o.again !== l.name ? this.#o.shelf.find(id) : undefined;
    const reused = there !== undefined && (l.accepts?.(there) ?? true);
    if (reused) this.#unchecked.push(there);
    else this.#check();
    const layer = reused ? there : await this.#run(id, l);
    this.#stack.push(layer);
    this.#state = layer.state;
    this.told.push({ name: l.name, inputs: l.inputs, reused, ms: performance.now() - start, layer });
    return layer;
  }

  async #run(id: string, l: Link): Promise<Layer> {
    const { shelf, epoch } = this.#o;
    const lower = this.trees();
    const bench = openBench(shelf.dir, this.#nextBench());
    // Nothing lies below the first: it can do without an overlay.
    const root = lower.length > 0 ? await mountOverlay({ dir: shelf.dir, lower, bench, shell: this.#shell }) : join(shelf.dir, bench, "u");
    let result: Result;
    try {
      result = await l.work(root);
    } catch (e) {
      if (lower.length > 0) await unmount(this.#shell, root);
      this.#failed = `${bench}/u`;
      throw e;
    }
    if (lower.length > 0) await unmount(this.#shell, root);
    return this.#keep({ id, l, bench, result, epoch });
  }

  /** The change becomes a layer. */
  #keep(k: { id: string; l: Link; bench: string; result: Result; epoch: number }): Layer {
    const { dir } = this.#o.shelf;
    const { id, l, result } = k;
    const tree = join(dir, k.bench, "u");
    clampLayer(tree, k.epoch);
    const empty = readdirSync(tree).length === 0;
    const state = result.state === "content" ? (empty ? this.#state : hashOf(this.#state, digestOf(tree))) : hashOf(this.#state, l.name, l.inputs, JSON.stringify(result.learnt ?? null), result.state === "once" ? performance.timeOrigin + performance.now() : 0);
    const name = empty ? null : newTree(id);
    if (name !== null) renameSync(tree, join(dir, name));
    rmSync(join(dir, k.bench), { recursive: true, force: true });
    const layer: Layer = { id, name: l.name, below: this.#state, inputs: l.inputs, state, tree: name, facts: result.facts };
    if (result.state !== "once") this.#fresh.push(layer);
    // Whole trees take a while to look at: that is done beside what follows.
    if (performance.now() - this.#lastPut > 300) this.#put();
    return layer;
  }

  #put(): void {
    const [layers, learnt] = [this.#fresh, this.#learnt];
    this.#fresh = [];
    this.#learnt = [];
    this.#lastPut = performance.now();
    if (layers.length > 0) this.#puts.push(this.#o.shelf.put(layers));
    if (learnt.length > 0) this.#puts.push(this.#o.memo.put(learnt));
  }

  /** Looks whether what is reused is what was put there, while the rest is made. */
  #check(): void {
    const layers = this.#unchecked;
    this.#unchecked = [];
    if (layers.length > 0) this.#touched.push(this.#o.shelf.touched(layers));
  }

  async look<T>(use: (root: string) => Promise<T>, trees: readonly string[] = this.trees()): Promise<T> {
    const { dir } = this.#o.shelf;
    const bench = openBench(dir, this.#nextBench());
    const root = await mountOverlay({ dir, lower: trees, bench, shell: this.#shell });
    try {
      return await use(root);
    } finally {
      await unmount(this.#shell, root);
      await removeTree(join(dir, bench));
    }
  }

  remember(r: Remembered): Promise<Change> {
    const id = idOf("remembered", r.name, r.inputs);
    const underWay = r.forget ? undefined : this.#remembering.get(id);
    // One that was begun too early tells nothing of this one.
    if (underWay) return underWay.catch(() => this.#rememberAs(id, r));
    const made = this.#rememberAs(id, r);
    if (r.forget) return made;
    this.#remembering.set(id, made);
    made.catch(() => this.#remembering.delete(id));
    return made;
  }

  async #rememberAs(id: string, r: Remembered): Promise<Change> {
    const { shelf, memo, cache } = this.#o;
    const there = cache && !r.forget ? memo.find(id) : undefined;
    if (there?.tree) {
      // What is taken out of it cannot be told apart later, so it is looked at before.
      const spoilt = await memo.touched([there]);
      if (spoilt.size === 0) return { tree: join(memo.dir, there.tree), id };
      memo.drop(id);
    }
    const bench = openBench(shelf.dir, this.#nextBench());
    const at = await mountOverlay({ dir: shelf.dir, lower: [r.root.slice(shelf.dir.length + 1)], bench, shell: this.#shell });
    try {
      await r.work(at);
    } finally {
      await unmount(this.#shell, at);
    }
    if (r.holds && !(await r.holds())) throw new Error(`${r.name}: what it read was changed meanwhile`);
    const tree = join(shelf.dir, bench, "u");
    clampLayer(tree, this.#o.epoch);
    if (r.forget) return { tree, id: undefined };
    const name = newTree(id);
    renameSync(tree, join(memo.dir, name));
    this.#learnt.push({ id, name: r.name, below: "", inputs: r.inputs, state: "", tree: name, facts: null });
    return { tree: join(memo.dir, name), id };
  }

  async spoilt(): Promise<readonly { layer: Layer; path: string }[]> {
    this.#check();
    const found = (await Promise.all(this.#touched)).flatMap((t) => [...t].map(([layer, path]) => ({ layer, path })));
    for (const { layer } of found) this.#o.shelf.drop(layer.id);
    return found;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#put();
    await Promise.all(this.#puts);
    for (const name of readdirSync(this.#o.shelf.dir)) if (name.startsWith(`bench.${process.pid}.`)) await removeTree(join(this.#o.shelf.dir, name));
    this.#shell.close();
    this.#signOut();
    if (this.#puts.length > 0) for (const { dir } of [this.#o.shelf, this.#o.memo]) await sweep(dir);
  }

  failed(): { stack: string[]; top: string } | undefined {
    const at = (t: string) => join(this.#o.shelf.dir, t);
    return this.#failed === undefined ? undefined : { stack: this.trees().map(at), top: at(this.#failed) };
  }

  trees(): string[] {
    return this.#stack.flatMap((l) => (l.tree === null ? [] : [l.tree]));
  }

  get state(): string {
    return this.#state;
  }

  #nextBench(): string {
    return `bench.${process.pid}.${this.#benches++}`;
  }
}
