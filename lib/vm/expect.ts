// expect() of boot tests: few words, and a failure that says both sides.
import { inspect } from "node:util";
import type { Expectation } from "../api.ts";
import { UserError } from "../errors.ts";

export function expectation(value: unknown, wanted = true): Expectation {
  const judge = (is: boolean, words: string) => {
    if (is !== wanted) throw new UserError("boot-test.expect", `expected ${inspect(value)} ${wanted ? "" : "not "}${words}`);
  };
  return {
    get not() {
      return expectation(value, !wanted);
    },
    toBe: (other) => judge(Object.is(value, other), `to be ${inspect(other)}`),
    // Values come from another realm, whose arrays are no arrays of ours.
    toEqual: (other) => judge(JSON.stringify(value) === JSON.stringify(other), `to equal ${inspect(other)}`),
    toContain: (part) => judge(String(value).includes(part), `to contain ${inspect(part)}`),
    toMatch: (pattern) => judge(pattern.test(String(value)), `to match ${String(pattern)}`),
  };
}
