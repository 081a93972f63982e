// What tests of downloads share: a directory of their own, the items of test packages, and errors as a user reads them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Event } from "../../lib/events.ts";
import { urlIn, type FetchItem } from "../../lib/fetch.ts";
import { renderErrors } from "../../lib/report.ts";
import type { PublishedDeb, TestArchive } from "./archive/archive.ts";

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
