// Our order of versions against dpkg's own, for pairs from the archive and for pairs made up to be hard.
import { expect, test } from "vitest";
import { openArchives } from "../../lib/archive.ts";
import { compareVersions } from "../../lib/deb/version.ts";
import { engineRoot } from "../../lib/engine.ts";
import type { Conf } from "../../lib/plan/plan.ts";
import { openProject } from "../../lib/project.ts";
import { run } from "../../lib/run.ts";
import { sharedDownloads } from "./debcast.ts";
import { randomFrom } from "./random.ts";

const seed = Number(process.env.DEBCAST_TEST_SEED ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

/** One shell for all pairs: dpkg takes a pair at a time, and 3,000 of them take some seconds. */
async function disagreements(pairs: readonly (readonly [string, string])[]): Promise<string[]> {
  const operator = { "-1": "lt", "0": "eq", "1": "gt" } as Record<string, string>;
  const input = pairs.map(([a, b]) => `${a} ${operator[compareVersions(a, b)]} ${b}\n`).join("");
  const script = 'while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" 2>/dev/null || echo "$a $op $b"; done';
  return (await run(["sh", "-c", script], { input })).stdout.split("\n").filter((l) => l !== "");
}

test("versions of the archive", async () => {
  const conf = { file: "conf/x.ts", suite: "trixie", arch: "amd64", components: ["main"], updates: false, security: false, mirrors: [] } as unknown as Conf;
  const archives = await openArchives({ project: openProject(engineRoot, { DEBCAST_DOWNLOADS: sharedDownloads }), conf, mirrors: [], emit: () => {} });
  const names = [...archives.names()];
  const versions = Array.from({ length: 1500 }, () => archives.find(pick(names))[0]?.version).filter((v) => v !== undefined);
  const near = (v: string) => pick([v, `${v}+b1`, `${v}~bpo1`, v.replace(/\d+/, (n) => String(Number(n) + 1)), v.replace(/[.-]/, "~"), v.replace(/(\d)/, "0$1"), pick(versions)]);
  expect(await disagreements(versions.map((v) => [v, near(v)])), `seed ${seed}`).toEqual([]);
});

test("made-up versions", async () => {
  const piece = () => pick(["0", "1", "00", "01", "10", "9", "a", "b", "Z", "~", "~~", "+", ".", "-", "~a", "a~", "dfsg", "rc", "99999999999999999999"]);
  const made = () => `${pick(["", "", "", "0:", "1:", "10:"])}0${Array.from({ length: Math.floor(random() * 6) }, piece).join("")}${pick(["", "-1", "-0", "-1~", "-1.1", "-a"])}`.replace(/-+$/, "");
  const pairs = Array.from({ length: 2500 }, () => [made(), made()] as const);
  expect(await disagreements(pairs), `seed ${seed}`).toEqual([]);
});
