// What tests of downloads share: a directory of their own, the items of test packages, and errors as a user reads them.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach } from "vitest";
import type { Event } from "../../lib/events.ts";
import { fetchFiles, urlIn, type FetchItem, type FetchOptions, type FetchResult } from "../../lib/fetch.ts";
import { renderErrors } from "../../lib/report.ts";
import { startArchive, type PublishedDeb, type TestArchive, type TestDeb } from "./archive/archive.ts";

/** Short pauses: what is tested is that there are tries, not how long they wait. */
export const quick = { retries: 3, pause: 5 };

export function scratch(): { dir: string; [Symbol.dispose](): void } {
  const dir = mkdtempSync(join(tmpdir(), "debcast-test-"));
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

/** A .deb of the archive as fetchFiles() wants it, from `archive` and then from `more` mirrors. */
export function itemFor(dir: string, deb: PublishedDeb, mirrors: readonly string[]): FetchItem {
  const name = deb.filename.replace(/.*\//, "");
  return {
    urls: mirrors.map((m) => urlIn(m, deb.filename)),
    to: join(dir, name),
    size: deb.size,
    sha256: deb.sha256,
    label: name,
    hint: "run `debcast update`",
  };
}

/** Events of one run. */
export function recorder(): { emit: (e: Event) => void; events: Event[] } {
  const events: Event[] = [];
  return { events, emit: (e) => void events.push(e) };
}

/** What a user reads when `work` fails, with the archives' and directories' names made plain; undefined if it does not fail. */
export async function said(work: Promise<unknown>, names: Readonly<Record<string, string | TestArchive>> = {}): Promise<string> {
  const e = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (e === undefined) return "(no error)";
  let text = renderErrors(e);
  for (const [name, what] of Object.entries(names)) {
    text = text.replaceAll(typeof what === "string" ? what : new URL(what.uri).origin, name);
  }
  return text;
}

/** `big` comes in several pieces. */
export const packages: readonly TestDeb[] = [
  { name: "hello", files: { "/usr/bin/hello": "#!/bin/sh\n" } },
  { name: "plus", version: "1:2.0+b1", arch: "amd64" },
  { name: "big", compression: "none", files: { "/usr/share/big": Buffer.alloc(300_000, "big ") } },
];

export interface TwoMirrors {
  readonly one: TestArchive;
  readonly two: TestArchive;
  /** Empty before each test; `dir`, where downloads go, is below it. */
  readonly space: string;
  readonly dir: string;
  /** A package as fetchFiles() wants it, from these mirrors (default: `one`). */
  item(name: string, mirrors?: readonly TestArchive[]): FetchItem;
  get(files: readonly FetchItem[], o?: Partial<FetchOptions>): Promise<FetchResult>;
  /** What said() has to make plain. */
  names(): Record<string, string | TestArchive>;
  /** What came for a package. */
  bytesOf(name: string): Buffer;
  /** `STATUS RANGE` of every request. */
  ranges(a: TestArchive): string[];
  /** Everything in `dir` but the record of verified files. */
  left(): string[];
}

/** Two mirrors of `packages` for the tests of a file: well, and with nothing asked of them, before each. */
export async function twoMirrors(): Promise<TwoMirrors> {
  const [one, two] = [await startArchive({ packages }), await startArchive({ packages })];
  const { dir: space, [Symbol.dispose]: removeSpace } = scratch();
  const dir = join(space, "debs");
  beforeEach(() => {
    for (const name of readdirSync(space)) rmSync(join(space, name), { recursive: true });
    for (const a of [one, two]) {
      a.heal();
      a.requests.length = 0;
    }
  });
  afterAll(async () => {
    await one.stop();
    await two.stop();
    removeSpace();
  });
  const item = (name: string, from: readonly TestArchive[] = [one]) => itemFor(dir, one.deb(name), from.map((m) => m.uri));
  return {
    one, two, space, dir, item,
    get: (files, o = {}) => fetchFiles({ files, emit: () => {}, ...quick, ...o }),
    names: () => ({ "http://one.mirror.example": one, "http://two.mirror.example": two, DIR: dir }),
    bytesOf: (name) => readFileSync(item(name).to),
    ranges: (a) => a.requests.map((r) => `${r.status} ${r.range ?? "whole"}`),
    left: () => (existsSync(dir) ? readdirSync(dir).filter((f) => f !== ".verified").sort() : []),
  };
}
