// The one door to the network. Files are fetched in parallel and checked while they stream; a file gets its name only when it is
// whole and has the SHA-256 that was asked for, so whatever lies under a final name was right when it came. cache.ts keeps
// record of that; what is already there and right is not fetched.
import type { BigIntStats } from "node:fs";
import { dirname } from "node:path";
import { UserError, throwAll } from "./errors.ts";
import type { Emit, StageName } from "./events.ts";
import { checkCached, recordVerified } from "./cache.ts";
import { hostError } from "./hosterrors.ts";
import { download, withRetries, type FetchItem, type Session } from "./fetch/download.ts";
import { fetchErrors, offlineErrors, smallError, type FailedItem } from "./fetch/failures.ts";
import { Failure, openHttp } from "./fetch/http.ts";
import { removeLeft } from "./fetch/part.ts";

export type { FetchItem } from "./fetch/download.ts";
export { urlIn } from "./fetch/http.ts";

export interface HttpOptions {
  /** Nothing touches the network: what is missing or damaged is an error. */
  readonly offline?: boolean | undefined;
  /** How long nothing at all may arrive before a connection counts as dead, in ms. */
  readonly idle?: number | undefined;
  /** Further tries of one address after passing troubles. */
  readonly retries?: number | undefined;
  /** Time before the first of them, in ms; it doubles each time. */
  readonly pause?: number | undefined;
}

export interface FetchOptions extends HttpOptions {
  readonly files: readonly FetchItem[];
  readonly emit: Emit;
  /** Whose progress this is (default: `fetch`). */
  readonly stage?: StageName | undefined;
}

export interface FetchResult {
  /** Files that were not there, or not right. */
  readonly fetched: number;
  /** Files that were there already. */
  readonly present: number;
  /** Bytes that came over the network. */
  readonly bytes: number;
}

/** Makes sure of all `files`. Whatever fails is reported at once, after the rest is there. */
export async function fetchFiles(o: FetchOptions): Promise<FetchResult> {
  const files = [...new Map(o.files.map((f) => [f.to, f])).values()];
  const states = await checkCached(files.map((f) => ({ path: f.to, sha256: f.sha256, size: f.size })));
  const missing = files.flatMap((item) => {
    const state = states.get(item.to)!;
    return state === "verified" ? [] : [{ item, damaged: state === "damaged" }];
  });
  const present = files.length - missing.length;
  if (missing.length === 0) return { fetched: 0, present, bytes: 0 };
  if (o.offline) throwAll(offlineErrors(missing));
  return { fetched: missing.length, present, bytes: await fetchMissing(missing, o) };
}

/** A small file into memory: an InRelease, say. Tried at each of `urls` in turn; nothing beyond `limit` bytes is read. */
export async function fetchSmall(
  urls: readonly string[],
  o: HttpOptions & { limit: number; label?: string | undefined; hint?: string | undefined },
): Promise<{ body: Buffer; url: string }> {
  const label = o.label ?? urls[0]?.split("/").slice(-3).join("/") ?? "nothing";
  if (o.offline) throw new UserError("fetch.offline", `\`${label}\` would have to be fetched, and offline nothing is`, { hint: "run it while online" });
  const s = await openSession(o);
  const failures: Failure[] = [];
  try {
    for (const url of urls) {
      let body: Buffer | undefined;
      const failure = await withRetries(url, s, async () => {
        body = await takeSmall(url, o.limit, s);
      });
      if (failure === undefined) return { body: body!, url };
      failures.push(failure);
    }
  } finally {
    await s.http.close();
  }
  throw smallError(label, failures, o.hint);
}

async function takeSmall(url: string, limit: number, s: Session): Promise<Buffer> {
  const r = await s.http.get(url);
  s.good.add(new URL(url).origin);
  const pieces: Buffer[] = [];
  let length = 0;
  const tooBig = () => new Failure("size", url, { reason: `more than ${limit} bytes` });
  try {
    if ((r.total ?? 0) > limit) throw tooBig();
    for await (const piece of r.body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > limit) throw tooBig();
      pieces.push(piece);
    }
  } catch (e) {
    throw s.http.failure(url, e);
  } finally {
    r.body.destroy();
  }
  return Buffer.concat(pieces);
}

async function openSession(o: HttpOptions): Promise<Session> {
  return {
    http: await openHttp({ connections, idle: o.idle ?? 15_000 }),
    retries: o.retries ?? 3,
    pause: o.pause ?? 500,
    down: new Map(),
    failed: new Map(),
    good: new Set(),
    received: 0,
    onLength: () => {},
    onTotal: () => {},
    onWhole: () => {},
  };
}

/** Eight were as fast as sixteen; from about thirty on, caching mirrors stalled for seconds. */
const connections = 8;

interface Missing {
  readonly item: FetchItem;
  readonly damaged: boolean;
}

async function fetchMissing(missing: readonly Missing[], o: FetchOptions): Promise<number> {
  const { default: pLimit } = await import("p-limit");
  const whole: { path: string; sha256: string; stats: BigIntStats }[] = [];
  const onWhole = ({ to, sha256 }: FetchItem, stats: BigIntStats) => void whole.push({ path: to, sha256, stats });
  const s: Session = { ...(await openSession(o)), ...progress(missing, o), onWhole };
  const limit = pLimit(connections);
  const failed: FailedItem[] = [];
  let fatal: unknown;
  // The largest first: a kernel that came last would come alone.
  const sorted = [...missing].sort((a, b) => (b.item.size ?? Infinity) - (a.item.size ?? Infinity) || 0);
  const lanes = Array.from({ length: connections }, (_, i) => `fetch ${i + 1}`);
  const one = async (m: Missing): Promise<void> => {
    if (fatal !== undefined) return;
    const lane = lanes.shift() ?? "fetch";
    const start = performance.now();
    try {
      const failures = await once(m.item, s);
      if (failures) failed.push({ ...m, failures });
    } catch (e) {
      fatal ??= hostError(e, { path: m.item.to, as: { code: "fetch.disk", done: "written" } });
    }
    lanes.unshift(lane);
    o.emit({ type: "span", name: m.item.label, lane, start, end: performance.now() });
  };
  try {
    await Promise.all(sorted.map((m) => limit(one, m)));
  } finally {
    await s.http.close();
    await recordVerified(whole);
    const there = new Set(whole.map((w) => w.path));
    await Promise.all([...new Set(whole.map((w) => dirname(w.path)))].map((dir) => removeLeft(dir, there)));
  }
  if (fatal !== undefined) throw fatal;
  const position = new Map(missing.map((m, i) => [m.item, i]));
  throwAll(fetchErrors(failed.sort((a, b) => position.get(a.item)! - position.get(b.item)!)));
  return s.received;
}

/** Downloads under way in this process. Two callers that want one file share it; other processes are part.ts' matter. */
const underWay = new Map<string, { sha256: string; done: Promise<readonly Failure[] | undefined> }>();

async function once(item: FetchItem, s: Session): Promise<readonly Failure[] | undefined> {
  for (let other = underWay.get(item.to); other !== undefined; other = underWay.get(item.to)) {
    if (other.sha256 === item.sha256) return other.done;
    await other.done.catch(() => {});
  }
  const done = download(item, s).finally(() => underWay.delete(item.to));
  underWay.set(item.to, { sha256: item.sha256, done });
  return done;
}

function progress(missing: readonly Missing[], o: FetchOptions): Pick<Session, "onLength" | "onTotal"> {
  let done = 0;
  let total = missing.reduce((sum, m) => sum + (m.item.size ?? 0), 0);
  let last = 0;
  const tell = () => {
    const now = performance.now();
    if (now - last < 50 && done < total) return;
    last = now;
    o.emit({ type: "progress", stage: o.stage ?? "fetch", done, total, unit: "bytes" });
  };
  return {
    onLength: (delta) => {
      done += delta;
      tell();
    },
    onTotal: (delta) => {
      total += delta;
    },
  };
}
