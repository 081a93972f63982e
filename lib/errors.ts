// One class for what a user can mend. Anything else that is thrown is a bug of ours and keeps its stack.

/** Where a mistake lies. `line` and `column` count from 1. */
export interface Where {
  readonly file: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly scriptlet?: string | undefined;
}

/** Exit statuses of the command. */
export const exitStatus = { done: 0, mistake: 1, usage: 2, device: 3, bug: 70, interrupted: 130 } as const;

export interface UserErrorOptions {
  readonly where?: Where | undefined;
  /** What to do next: a line to paste or a command to run. */
  readonly hint?: string | undefined;
  /** Last lines of output, or any other text shown indented below the message. */
  readonly details?: string | undefined;
  readonly cause?: unknown;
  readonly exit?: number | undefined;
}

/**
 * A mistake of the user's, or a fault outside of debcast. `code` is stable (`lock.unknown-package`); `message` says
 * what and why in one line, starts in lower case and has no full stop; names and literals stand in backticks.
 */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly code: string;
  readonly where: Where | undefined;
  readonly hint: string | undefined;
  readonly details: string | undefined;
  readonly exit: number;

  constructor(code: string, message: string, o: UserErrorOptions = {}) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.code = code;
    this.where = o.where;
    this.hint = o.hint;
    this.details = o.details;
    this.exit = o.exit ?? exitStatus.mistake;
  }
}

/** Several mistakes found in one pass, all reported at once. */
export class Mistakes extends Error {
  override readonly name = "Mistakes";
  readonly all: readonly UserError[];

  constructor(all: readonly UserError[]) {
    super(all.map((e) => e.message).join("\n"));
    this.all = all;
  }
}

/** All of what goes on beside each other, once the last has ended: what fails first must not leave the others to work in a tree that is taken away. */
export async function allEnded<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Throws what was found: nothing, one error, or all of them together. */
export function throwAll(found: readonly UserError[]): void {
  if (found.length === 1) throw found[0];
  if (found.length > 1) throw new Mistakes(found);
}

/** The name of `names` nearest to `wrong` by edit distance, if near enough to be what was meant. */
export function nearest(wrong: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wrong.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - wrong.length) >= bestDistance) continue;
    const d = editDistance(wrong, name, bestDistance);
    if (d < bestDistance) [best, bestDistance] = [name, d];
  }
  return best;
}

/** Optimal string alignment distance (a swap of neighbours counts 1), given up once it reaches `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let d = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1);
      row.push(d);
    }
    if (Math.min(...row) >= limit) return limit;
    [before, previous] = [previous, row];
  }
  return previous[b.length]!;
}
