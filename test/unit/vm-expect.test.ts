// expect() of boot tests, with values from the realm that scriptlets are evaluated in.
import vm from "node:vm";
import { describe, expect, test } from "vitest";
import type { UserError } from "../../lib/errors.ts";
import { newContext } from "../../lib/plan/evaluate.ts";
import { expectation } from "../../lib/vm/expect.ts";

const context = newContext();
const theirs = (code: string) => vm.runInContext(`(${code})`, context) as unknown;
/** What it says when it is not so, or undefined. */
const said = (look: () => void): string | undefined => {
  try {
    return void look();
  } catch (e) {
    return (e as Error).message;
  }
};

describe("toEqual", () => {
  const equal = (a: string, b: string) => said(() => expectation(theirs(a)).toEqual(theirs(b))) === undefined;

  test("compares what there is in it", () => {
    expect([["[1, { a: 'b' }]", "[1, { a: 'b' }]"], ["{ a: 1, b: 2 }", "{ b: 2, a: 1 }"], ["new Set([1])", "new Set([1])"], ["NaN", "NaN"]].map(([a, b]) => equal(a!, b!))).toEqual([true, true, true, true]);
    expect([["new Set([1])", "new Set([2])"], ["new Map([[1, 2]])", "new Map()"], ["NaN", "null"], ["[undefined]", "[null]"], ["{ a: 1 }", "{ a: '1' }"], ["() => 1", "() => 2"]].map(([a, b]) => equal(a!, b!))).toEqual([false, false, false, false, false, false]);
  });

  test("takes a list of theirs for one of ours", () => {
    expect(said(() => expectation(["eth0"]).toEqual(theirs("['eth0']")))).toBe(undefined);
    expect(said(() => expectation(["eth0"]).toEqual(theirs("['eth1']")))).toBe("expected [ 'eth0' ] to equal [ 'eth1' ]");
    expect(said(() => expectation(["eth0"]).not.toEqual(theirs("['eth0']")))).toBe("expected [ 'eth0' ] not to equal [ 'eth0' ]");
  });
});

test("toContain looks for an element of a list, and for a part of a text", () => {
  expect(said(() => expectation("eth0 up").toContain("eth0"))).toBe(undefined);
  expect(said(() => expectation(theirs("['eth0', 'lo']")).toContain("lo"))).toBe(undefined);
  expect(said(() => expectation(theirs("['eth0', 'lo']")).toContain("eth"))).toBe("expected [ 'eth0', 'lo' ] to contain 'eth'");
  expect(said(() => expectation(theirs("['a', 'b']")).toContain("a,b"))).toBe("expected [ 'a', 'b' ] to contain 'a,b'");
});

test("a promise is nothing to expect anything of", () => {
  const caught = (value: unknown) => {
    try {
      return void expectation(value);
    } catch (e) {
      return [(e as UserError).message, (e as UserError).hint];
    }
  };
  expect(caught(Promise.resolve("active"))).toEqual(["expect() got a promise, which says nothing yet of what comes of it", "expect(await inVm`…`)"]);
  expect(caught(theirs("(async () => 1)()"))).toEqual(caught(Promise.resolve("active")));
});
