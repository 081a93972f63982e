// A build as a chain of links, each of which changes the tree that the one before left. What a link changes is a layer, kept on
// the shelf under all that went into it; a link whose layer is there is not run again. A build from scratch runs the same links
// on the same mounts, so nothing can tell its result from that of a build which took some of them from the shelf.
//
// Where overlays cannot be had, the links run one after the other in one plain tree, and nothing is kept.
import { openShell } from "../run/shell.ts";
import { Layered } from "./layered.ts";
import { canOverlay } from "./overlay.ts";
import { Plain } from "./plain.ts";
import type { Inputs, Layer, Shelf } from "./shelf.ts";

export interface Link {
  readonly name: string;
  readonly inputs: Inputs;
  /** Whether a layer that is there may be used, as far as its inputs do not say it. */
  readonly accepts?: (layer: Layer) => boolean;
  readonly work: (root: string) => Promise<Result>;
}

export interface Result {
  /** As JSON, and given back when the layer is reused. */
  readonly facts: unknown;
  /** What `accepts` looks at, as JSON: with another answer the layer is another one, whatever its inputs say. */
  readonly learnt?: unknown;
  /**
   * What later links see of this one. `content`: the files that it left, so a change that comes to the same ends here. `inputs`:
   * all that went in. `once`: it looked at more than its inputs say, and is run again each time.
   */
  readonly state: "content" | "inputs" | "once";
}

export interface Told {
  readonly name: string;
  readonly inputs: Inputs;
  readonly reused: boolean;
  readonly ms: number;
  readonly layer: Layer;
}

export interface Remembered {
  readonly name: string;
  readonly inputs: Inputs;
  readonly root: string;
  readonly work: (root: string) => Promise<void>;
  /** Its inputs do not say all. */
  readonly forget?: boolean;
  /** Asked after the work, where others change what it reads: whether its inputs are still what they were. If not, it fails. */
  readonly holds?: () => boolean | Promise<boolean>;
}

/** What some work changed. */
export interface Change {
  /** Its tree, as that of a layer. */
  readonly tree: string;
  /** Says all of it; undefined where the inputs of the work do not. */
  readonly id: string | undefined;
}

export interface ChainOptions {
  /** false: one plain tree, as where no overlay can be mounted. */
  readonly layers: boolean;
  readonly shelf: Shelf;
  /** Where what programs changed is remembered. */
  readonly memo: Shelf;
  /** For a build without overlays: the tree, which must not be there yet. */
  readonly plain: string;
  readonly epoch: number;
  /** false: nothing that is on the shelf is used. */
  readonly cache: boolean;
  /** A link that is run although its layer is there. */
  readonly again?: string;
}

export interface Chain {
  /** Whether layers can be had here. */
  readonly layered: boolean;
  readonly told: readonly Told[];
  link(l: Link): Promise<Layer>;
  /** The tree as it is now, or as it was with these layers, to be looked at; with overlays, what is written there is lost. */
  look<T>(use: (root: string) => Promise<T>, trees?: readonly string[]): Promise<T>;
  /**
   * Runs `work` on an overlay over the tree of a link that is being made, and gives what it changed, or what it did the last time
   * that all inputs were the same. Without overlays `work` changes the tree itself, and there is nothing to give.
   */
  remember(r: Remembered): Promise<Change | undefined>;
  /** Says all of the tree so far. */
  readonly state: string;
  /** Names of the trees of the stack on the shelf, lowest first. */
  trees(): string[];
  /** Layers that were reused although somebody had touched them. They are gone from the shelf; the build is to be begun again. */
  spoilt(): Promise<readonly { layer: Layer; path: string }[]>;
  /** Keeps what was made. */
  close(): Promise<void>;
  /** After a link has failed: the trees of the stack, lowest first, and the unfinished one. */
  failed(): { readonly stack: readonly string[]; readonly top: string } | undefined;
}

export async function openChain(o: ChainOptions): Promise<Chain> {
  const shell = openShell();
  if (o.layers && (await canOverlay(o.shelf.dir, shell))) return new Layered(o, shell);
  shell.close();
  return new Plain(o);
}
