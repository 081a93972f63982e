// One file from the first mirror that gives it whole.
import type { BigIntStats } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure, type Http, type Response } from "./http.ts";
import { openPart, type Part } from "./part.ts";

export interface FetchItem {
  /** Tried in order. */
  readonly urls: readonly string[];
  /** Final path. */
  readonly to: string;
  readonly size?: number | undefined;
  readonly sha256: string;
  /** What errors call it: the name of the file, as a rule. */
  readonly label: string;
  /** What to do when it is gone from every mirror. */
  readonly hint?: string | undefined;
}

export interface Session {
  readonly http: Http;
  /** Further tries of one address. */
  readonly retries: number;
  /** Time before the first of them, in ms; it doubles each time. */
  readonly pause: number;
  /** Mirrors that are left alone for the rest of this session, with the reason. */
  readonly down: Map<string, string>;
  /** How many files each mirror has failed to give. */
  readonly failed: Map<string, number>;
  /** Mirrors that have begun to give at least one file. */
  readonly good: Set<string>;
  /** Bytes that arrived over the network. */
  received: number;
  onLength(delta: number): void;
  onTotal(delta: number): void;
  /** `item` has its final name; what stat said of it then. */
  onWhole(item: FetchItem, stats: BigIntStats): void;
}

/** Fetches `item`; what went wrong at each address, if none gave it. */
export async function download(item: FetchItem, s: Session): Promise<readonly Failure[] | undefined> {
  const part = await openPart(item.to, s.onLength);
  try {
    const failures: Failure[] = [];
    for (const url of item.urls) {
      const failure = await fromMirror(url, part, { item, s });
      if (failure === undefined) {
        s.onWhole(item, await part.commit());
        return undefined;
      }
      failures.push(failure);
    }
    s.onLength(-part.length);
    return failures;
  } finally {
    await part.release();
  }
}

/** `work` again after passing troubles, longer and longer apart; pieces that arrived count as success. */
export async function withRetries(url: string, s: Session, work: () => Promise<void>): Promise<Failure | undefined> {
  const origin = new URL(url).origin;
  for (let tries = 0; ; ) {
    const reason = s.down.get(origin);
    if (reason !== undefined) return new Failure("unreachable", url, { reason });
    try {
      await work();
      return undefined;
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      if (e.kind !== "transient" && e.kind !== "unreachable") return e;
      const got = e instanceof Interrupted ? e.got : 0;
      tries = got >= goodProgress ? 1 : tries + 1;
      if (tries > s.retries) {
        giveUp(origin, e, s);
        return e;
      }
      await sleep(Math.max(s.pause * 2 ** (tries - 1), e.wait));
    }
  }
}

const goodProgress = 1 << 16;

/** Leaves a mirror alone that nothing comes from; else every one of hundreds of files would wait for it. */
function giveUp(origin: string, f: Failure, s: Session): void {
  const failed = (s.failed.get(origin) ?? 0) + 1;
  s.failed.set(origin, failed);
  if (f.kind === "unreachable" || (failed >= enoughFailed && !s.good.has(origin))) s.down.set(origin, f.message);
}

/** One file may have troubles of its own, and a few may fail before the first comes. */
const enoughFailed = 8;

/** A body that stopped after `got` bytes. */
class Interrupted extends Failure {
  readonly got: number;
  constructor(f: Failure, got: number) {
    super(f.kind, f.url, { reason: f.message, wait: f.wait, cause: f.cause });
    this.got = got;
  }
}

interface Job {
  readonly item: FetchItem;
  readonly s: Session;
}

async function fromMirror(url: string, part: Part, job: Job): Promise<Failure | undefined> {
  const resumed = part.length > 0;
  const failure = await withRetries(url, job.s, () => attempt(url, part, job));
  if (failure === undefined || !["size", "content", "range"].includes(failure.kind)) return failure;
  await part.restart();
  // The fault may lie in what an earlier try or mirror had given: this mirror gets a chance of its own.
  if (!resumed && failure.kind !== "range") return failure;
  const again = await withRetries(url, job.s, () => attempt(url, part, job));
  if (again !== undefined && ["size", "content"].includes(again.kind)) await part.restart();
  return again;
}

/** Takes what is missing, and checks the whole. No validator is sent with a range: the SHA-256 is one, on any mirror. */
async function attempt(url: string, part: Part, { item, s }: Job): Promise<void> {
  const before = part.length;
  const whole = () => item.size !== undefined && part.length === item.size;
  if (!(before > 0 && whole())) {
    const r = await s.http.get(url, before);
    s.good.add(new URL(url).origin);
    await take(r, part, { item, s });
  }
  const digest = part.digest();
  if (digest !== item.sha256) {
    throw new Failure("content", url, { reason: `SHA-256 ${digest}` });
  }
}

async function take(r: Response, part: Part, { item, s }: Job): Promise<void> {
  if (r.from === 0) await part.restart();
  const limit = item.size ?? r.total ?? sizeLimit;
  let got = 0;
  try {
    if (r.total !== undefined && r.total !== limit) throw wrongSize(r.url, `${r.total}`);
    if (item.size === undefined && r.total !== undefined) s.onTotal(r.total - part.length);
    for await (const piece of r.body as AsyncIterable<Buffer>) {
      if (part.length + piece.length > limit) throw wrongSize(r.url, `more than ${limit}`);
      got += piece.length;
      s.received += piece.length;
      await part.write(piece);
    }
  } catch (e) {
    throw new Interrupted(s.http.failure(r.url, e), got);
  } finally {
    r.body.destroy();
  }
  if (item.size !== undefined && part.length < item.size) {
    throw new Interrupted(new Failure("transient", r.url, { reason: `connection ended after ${part.length} of ${item.size} bytes` }), got);
  }
}

/** For what has no known size. */
const sizeLimit = 8 * 2 ** 30;

function wrongSize(url: string, got: string): Failure {
  return new Failure("size", url, { reason: `${got} bytes` });
}
