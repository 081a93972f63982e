// expect() of boot tests: few words, and a failure that says both sides.
import { inspect, isDeepStrictEqual } from "node:util";
import type { Expectation } from "../api.ts";
import { UserError } from "../errors.ts";

export function expectation(value: unknown, wanted = true): Expectation {
  if (isPromise(value)) throw new UserError("boot-test.promise", "expect() got a promise, which says nothing yet of what comes of it", { hint: "expect(await inVm`…`)" });
  const judge = (is: boolean, words: string) => {
    if (is !== wanted) throw new UserError("boot-test.expect", `expected ${inspect(value)} ${wanted ? "" : "not "}${words}`);
  };
  return {
    get not() {
      return expectation(value, !wanted);
    },
    toBe: (other) => judge(Object.is(value, other), `to be ${inspect(other)}`),
    toEqual: (other) => judge(isDeepStrictEqual(ours(value), ours(other)), `to equal ${inspect(other)}`),
    toContain: (part) => judge(Array.isArray(value) ? value.includes(part) : String(value).includes(String(part)), `to contain ${inspect(part)}`),
    toMatch: (pattern) => judge(pattern.test(String(value)), `to match ${String(pattern)}`),
  };
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** A copy of this realm: values come from another one, whose arrays are no arrays of ours. What cannot be copied (a function) stays as it is. */
function ours(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return value;
  }
}
