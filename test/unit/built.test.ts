// The image that a verb works on.
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openProject } from "../../lib/project.ts";
import { imageOf } from "../../lib/verbs/built.ts";
import type { Context } from "../../lib/verbs/verb.ts";

const dir = mkdtempSync(join(tmpdir(), "built-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("is noticed to be another one than it was", () => {
  const c = { project: openProject(dir, {}) } as Context;
  expect(() => imageOf(c, "x")).toThrow("`x` has not been built");
  mkdirSync(join(dir, "image/x"), { recursive: true });
  mkdirSync(join(dir, "out"));
  const changing = join(dir, "out/x.changing");
  writeFileSync(changing, "");
  expect(() => imageOf(c, "x")).toThrow("`x` is not whole");
  rmSync(changing);
  for (const record of ["state.json", "photo"]) writeFileSync(join(dir, "out", `x.${record}`), "{}");
  const { stayed } = imageOf(c, "x");
  stayed();
  writeFileSync(join(dir, "out/new"), "{}");
  renameSync(join(dir, "out/new"), join(dir, "out/x.photo"));
  expect(stayed).toThrow("another build has changed `x` meanwhile, and nothing was made of it");
  const next = imageOf(c, "x");
  writeFileSync(changing, "");
  expect(next.stayed).toThrow("another build has changed `x` meanwhile");
});
