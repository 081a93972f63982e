// Digests of what programs read: they change whenever a program could find something else, and with nothing beside.
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { readsDigest, readsDigestBeside } from "../../lib/rootfs/reads.ts";

const root = mkdtempSync(join(tmpdir(), "debcast-reads-"));
afterAll(() => rmSync(root, { recursive: true }));

const reads = { paths: ["/etc/a", "/missing"], ignore: /\/ignored$/, epoch: 1_000_000 };
const at = (path: string) => join(root, "etc/a", path);

mkdirSync(at("d"), { recursive: true });
writeFileSync(at("d/x"), "one");
writeFileSync(at("d/ignored"), "1");
symlinkSync("x", at("d/link"));

test("both ways say the same, and another change of the tree is another digest", async () => {
  const seen = [readsDigest(root, reads)];
  const changes: Record<string, () => void> = {
    "other bytes": () => writeFileSync(at("d/x"), "two"),
    "other bytes of the same size and time, put in its place": () => {
      writeFileSync(at("new"), "TWO");
      utimesSync(at("new"), 5, 5);
      renameSync(at("new"), at("d/x"));
    },
    "a mode": () => chmodSync(at("d/x"), 0o600),
    "a new file": () => writeFileSync(at("d/y"), ""),
    "a file that is gone": () => rmSync(at("d/y")),
    "a path that was missing": () => writeFileSync(join(root, "missing"), ""),
  };
  for (const [what, change] of Object.entries(changes)) {
    change();
    const now = readsDigest(root, reads);
    expect(now, what).not.toBe(seen.at(-1));
    expect(await readsDigestBeside(root, reads), what).toBe(now);
    seen.push(now);
  }
  // Ignored, and later than everything is clamped to.
  writeFileSync(at("d/ignored"), "2");
  expect(readsDigest(root, reads)).toBe(seen.at(-1));
});

test("a file that is written again is read again, with its old size and time, too", async () => {
  const file = { paths: ["/etc/a/d/x"], epoch: 1_000_000 };
  utimesSync(at("d/x"), 5, 5);
  // Until it counts as one that nobody is writing any more.
  await setTimeout(1100);
  const before = readsDigest(root, file);
  expect(readsDigest(root, file)).toBe(before);
  writeFileSync(at("d/x"), "SIX");
  utimesSync(at("d/x"), 5, 5);
  expect(readsDigest(root, file)).not.toBe(before);
});
