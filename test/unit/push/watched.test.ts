// What counts as a save.
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { changedBetween, nextChange, photograph } from "../../../lib/push/watched.ts";

function folder() {
  const dir = mkdtempSync(join(tmpdir(), "debcast-watch-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const at = (path: string) => join(dir, path);
  mkdirSync(at("base/ssh"), { recursive: true });
  for (const path of ["base/ssh.ts", "base/ssh/config", "base/other.ts"]) writeFileSync(at(path), "one\n");
  const changes = (work: () => void) => {
    const before = photograph([dir]);
    work();
    return changedBetween(before, photograph([dir])).map((p) => relative(dir, p));
  };
  return { dir, at, changes };
}

test("written, renamed into place, with the old time and size, new, removed, a link: all are changes", () => {
  const { at, changes } = folder();
  expect(changes(() => {})).toEqual([]);
  expect(changes(() => appendFileSync(at("base/ssh.ts"), "two\n"))).toEqual(["base/ssh.ts"]);
  expect(changes(() => (writeFileSync(at("base/ssh.ts.new"), "x"), renameSync(at("base/ssh.ts.new"), at("base/ssh.ts"))))).toEqual(["base/ssh.ts"]);
  expect(changes(() => (writeFileSync(at("base/ssh/config"), "two\n"), utimesSync(at("base/ssh/config"), 1, 1)))).toEqual(["base/ssh/config"]);
  expect(changes(() => (writeFileSync(at("base/ssh/config"), "six\n"), utimesSync(at("base/ssh/config"), 1, 1)))).toEqual(["base/ssh/config"]);
  expect(changes(() => (mkdirSync(at("base/new/deep"), { recursive: true }), writeFileSync(at("base/new/deep/file"), "")))).toEqual(["base/new/deep/file"]);
  expect(changes(() => rmSync(at("base/other.ts")))).toEqual(["base/other.ts"]);
  expect(changes(() => symlinkSync("nowhere", at("base/link")))).toEqual(["base/link"]);
});

test("what editors leave beside the files is none", () => {
  const { at, changes } = folder();
  expect(changes(() => ["base/.ssh.ts.swp", "base/ssh.ts~", "base/4913", "base/.#ssh.ts", "base/#ssh.ts#"].forEach((p) => writeFileSync(at(p), "")))).toEqual([]);
});

test("a change is told once it is over, with all that changed; what was there before is none", async () => {
  const { dir, at } = folder();
  const before = photograph([dir]);
  const next = nextChange([dir], before);
  appendFileSync(at("base/ssh.ts"), "two\n");
  const writing = setInterval(() => appendFileSync(at("base/ssh/config"), "more\n"), 20);
  let over = false;
  setTimeout(() => ((over = true), clearInterval(writing)), 500);
  const { paths, photo } = await next;
  expect({ paths: paths.map((p) => relative(dir, p)), over }).toEqual({ paths: ["base/ssh.ts", "base/ssh/config"], over: true });
  expect(changedBetween(photo, photograph([dir]))).toEqual([]);
});
