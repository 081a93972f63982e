// What fails in a function of the user's while nobody awaits it: no crash of ours, but a mistake of theirs.

export interface Strays {
  /** What was thrown, in the order in which it was. */
  readonly found: readonly unknown[];
  /** By then each promise that has failed so far, and that nobody awaits, has been told of. */
  told(): Promise<void>;
  end(): void;
}

/** From now on until `end()`. */
export function watchStrays(): Strays {
  const found: unknown[] = [];
  const note = (e: unknown) => void found.push(e);
  process.on("unhandledRejection", note);
  return {
    found,
    told: () => new Promise((resolve) => setImmediate(resolve)),
    end: () => void process.off("unhandledRejection", note),
  };
}
