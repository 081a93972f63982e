// Everything that a build takes from outside, on disk and verified: the .debs of the lock and the scriptlets' downloads.
import { debItems, debPath, downloadPath } from "./cache.ts";
import { fetchFiles, type FetchItem, type FetchResult } from "./fetch.ts";
import type { LockedDeb } from "./lock.ts";
import { mirrorsFor } from "./mirrors.ts";
import type { Prepared } from "./prepare.ts";
import type { Context } from "./verbs/verb.ts";

/** Fetches what is not there yet. With everything there, nothing touches the network. */
export async function gather(c: Context, p: Prepared): Promise<FetchResult> {
  const mirrors = new Map(p.lock.archives.map((a) => [a.name, mirrorsFor(a, { conf: p.conf, mirrors: c.mirrors })]));
  const debs = debItems(c.project, p.lock, (archive) => mirrors.get(archive) ?? []);
  return fetchFiles({ files: [...debs, ...downloads(c, p)], emit: c.emit });
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
