// Everything that a build takes from outside, on disk and verified: the .debs of the lock and the scriptlets' downloads.
import { checkCached, debItems, debPath, downloadPath } from "./cache.ts";
import { fetchFiles, type FetchItem, type FetchResult } from "./fetch.ts";
import type { LockedDeb } from "./lock.ts";
import { mirrorsFor } from "./mirrors.ts";
import type { Prepared } from "./prepare.ts";
import type { Context } from "./verbs/verb.ts";

/** Fetches what is not there yet. With everything there, no mirror need even be known. */
export async function gather(c: Context, p: Prepared): Promise<FetchResult> {
  const known = new Map<string, readonly string[]>();
  const mirrors = (archive: string) => {
    if (!known.has(archive)) known.set(archive, mirrorsFor({ name: archive }, { conf: p.conf, mirrors: c.mirrors }));
    return known.get(archive)!;
  };
  const there = [...debItems(c.project, p.lock, () => []), ...downloads(c, p)];
  const states = await checkCached(there.map((f) => ({ path: f.to, sha256: f.sha256, size: f.size })));
  if (there.every((f) => states.get(f.to) === "verified")) return { fetched: 0, present: there.length, bytes: 0 };
  return fetchFiles({ files: [...debItems(c.project, p.lock, mirrors), ...downloads(c, p)], emit: c.emit });
}

/** Where the fetched .deb of `deb` lies. */
export function pathOfDeb(c: Context, p: Prepared, deb: LockedDeb): string {
  return debPath(c.project, p.lock.suite, p.lock.arch, deb.filename);
}

function downloads(c: Context, p: Prepared): FetchItem[] {
  return p.plan.scriptlets.flatMap((s) => s.downloads).map((d) => ({
    urls: [d.url],
    to: downloadPath(c.project, d.sha256),
    sha256: d.sha256,
    label: d.url.split("/").pop() ?? d.url,
    where: d.where,
  }));
}
