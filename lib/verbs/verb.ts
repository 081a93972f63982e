// What every verb of the command gets and gives back.
import type { Emit } from "../events.ts";
import type { Project } from "../project.ts";

/** An option of one verb, beside those that every verb takes. */
export interface VerbOption {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** Placeholder for the value in the help: `FILE`. */
  readonly value?: string;
  readonly help: string;
  /** Can be given several times: its value is a list. */
  readonly multiple?: boolean;
}

export interface Context {
  readonly project: Project;
  /** Name in conf/ or a path. */
  readonly conf: string;
  /** What follows the verb. */
  readonly args: readonly string[];
  /** What follows `--`. */
  readonly rest: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly mirrors: readonly string[];
  readonly cache: boolean;
  readonly locked: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  readonly emit: Emit;
  /** Told once secrets are known. */
  readonly setMask: (mask: (text: string) => string) => void;
}

export interface Outcome {
  /** For stdout, for people. */
  readonly text?: string;
  /** For stdout with --json. */
  readonly data: unknown;
  /** Commands that one would want next. */
  readonly next?: readonly string[];
  /** Exit status when it is not 0. */
  readonly code?: number;
}

export interface Verb {
  readonly name: string;
  /** `image [--out DIR]` */
  readonly usage: string;
  readonly summary: string;
  readonly options?: Readonly<Record<string, VerbOption>>;
  /** Least and most number of arguments. */
  readonly args?: readonly [number, number];
  /**
   * Whether it works on trees with owners of their own, and so inside of namespaces; `of a user` only where these are other ids
   * than root's, for it mounts nothing itself.
   */
  readonly namespaces?: true | "of a user";
  /** Whether two of them in one project must not run at the same time. */
  readonly exclusive?: boolean;
  /** Tried before any of that: an outcome, if there is nothing to do. */
  early?(c: Context): Promise<Outcome | undefined>;
  run(c: Context): Promise<Outcome>;
}
