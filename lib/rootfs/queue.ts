// The steps of one scriptlet, one after the other in the order called, whether awaited or not.
import { UserError } from "../errors.ts";

/** Steps wait for each other, so that order is that of the calls; the first that fails ends the rest. */
export class Queue {
  #failure: unknown;
  #last: Promise<unknown> = Promise.resolve();
  #open = true;

  add<T>(what: string, work: () => T | Promise<T>, mistake: (e: unknown) => unknown): Promise<T> {
    if (!this.#open) throw mistake(new UserError("step.late", `${what}() is called after run() has ended`, { hint: "await what run() starts" }));
    const result = this.#last.then(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        return await work();
      } catch (e) {
        throw (this.#failure ??= mistake(e));
      }
    });
    // Whoever does not await a step hears of its failure at the end.
    this.#last = result.catch(() => undefined);
    result.catch(() => undefined);
    return result;
  }

  /** Until nothing is under way: what was begun may begin more. From then on it takes no more. */
  async finished(): Promise<void> {
    for (let last; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
    this.#close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nothing more is begun: what is thrown next ends the build, and the tree must not change behind its back. */
  async abandon(failure: unknown): Promise<unknown> {
    this.#failure ??= failure;
    await this.#last;
    this.#close();
    return this.#failure;
  }

  #close(): void {
    this.#open = false;
  }
}
