// The chain where no overlay can be mounted: one tree, in which each link goes on where the one before it left off.
import { mkdirSync } from "node:fs";
import type { Chain, ChainOptions, Link, Remembered, Told } from "./chain.ts";
import { hashOf, type Layer } from "./shelf.ts";

export class Plain implements Chain {
  readonly layered = false;
  readonly told: Told[] = [];
  readonly #o: ChainOptions;
  #state = "";

  constructor(o: ChainOptions) {
    this.#o = o;
    mkdirSync(o.plain, { recursive: true });
  }

  async link(l: Link): Promise<Layer> {
    const start = performance.now();
    const { facts } = await l.work(this.#o.plain);
    const layer: Layer = { id: "", name: l.name, below: this.#state, inputs: l.inputs, state: hashOf(this.#state, l.name, l.inputs), tree: null, facts };
    this.#state = layer.state;
    this.told.push({ name: l.name, inputs: l.inputs, reused: false, ms: performance.now() - start, layer });
    return layer;
  }

  look<T>(use: (root: string) => Promise<T>): Promise<T> {
    return use(this.#o.plain);
  }

  async remember(r: Remembered): Promise<undefined> {
    await r.work(this.#o.plain);
  }

  get state(): string {
    return this.#state;
  }

  trees(): string[] {
    return [];
  }

  async spoilt(): Promise<[]> {
    return [];
  }

  async close(): Promise<void> {}

  failed(): undefined {
    return undefined;
  }
}
