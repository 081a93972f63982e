import { expect, test } from "vitest";
import { compareVersions, isVersion } from "../../lib/deb/version.ts";

test("versions in dpkg's order", () => {
  const rising = ["0~~", "0~", "0~a", "0", "0a", "0+", "0.1~rc1-1", "0.1-1", "0.1-1+b1", "0.1-1.1", "0.1a-1", "0.1.1", "0.2", "0.10", "1.0-1~", "1.0-1", "2.4.06-2.1+b4", "2.4.6-3", "1:0", "2:0~1"];
  expect([...rising].reverse().sort(compareVersions)).toEqual(rising);
});

test("what is written differently and is the same", () => {
  for (const [a, b] of [["1.0", "1.00"], ["0:1", "1"], ["1-0", "1"], ["1.01-1", "1.1-01"], ["00:1", "0:1"], ["", "0"]] as const) expect(compareVersions(a, b), `${a} ${b}`).toBe(0);
});

test("what is a version, and what dpkg refuses", () => {
  for (const right of ["1", "0.1~rc1-1+b1", "2:1.0-1", "1--2", "1:2:3-4", "1a.B+~"]) expect(isVersion(right), right).toBe(true);
  for (const wrong of ["", "1_2", "1a:2", ":1", "1:", "1-", "-1", "a1", "1:2-", "1:2-3:4", "1:a", "1 2", "1\n", "v1", "12345678901:1"]) expect(isVersion(wrong), wrong).toBe(false);
});
