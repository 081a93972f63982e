// One HTTP GET, with what can go wrong sorted into kinds that say what is worth doing next.
import type { Readable } from "node:stream";
import { engineVersion } from "../engine.ts";

/**
 * `absent`: another mirror may have it. `refused`: this mirror will not give it. `transient`: worth another try.
 * `unreachable`: worth another try, and a reason to leave the whole mirror alone if it lasts. `size`, `content`: what came
 * is not what was asked for. `range`: the server does not know the range that was asked for.
 */
export type FailureKind = "absent" | "refused" | "transient" | "unreachable" | "size" | "content" | "range";

export class Failure extends Error {
  readonly kind: FailureKind;
  readonly url: string;
  /** How long the server asks to be left alone, in ms. */
  readonly wait: number;

  constructor(kind: FailureKind, url: string, o: { reason: string; wait?: number; cause?: unknown }) {
    super(o.reason, { cause: o.cause });
    this.kind = kind;
    this.url = url;
    this.wait = o.wait ?? 0;
  }
}

export interface Response {
  /** 200 or 206. */
  readonly status: number;
  /** Where the body begins in the file. */
  readonly from: number;
  /** Size of the whole file, if the server says. */
  readonly total: number | undefined;
  /** After redirects. */
  readonly url: string;
  readonly body: Readable;
}

export interface Http {
  /** Throws a Failure for everything but a body. */
  get(url: string, from?: number): Promise<Response>;
  /** Turns an error of a body into a Failure. */
  failure(url: string, e: unknown): Failure;
  close(): Promise<void>;
}

/**
 * Opens connections as needed: at most `connections` per mirror and one request at a time on each, since more of either made
 * caching mirrors stall. A proxy comes from `http_proxy`, `https_proxy` and `no_proxy`. `idle` is how long, in ms, nothing at
 * all may arrive.
 */
export async function openHttp(o: { connections: number; idle: number }): Promise<Http> {
  const { EnvHttpProxyAgent, request } = await import("undici");
  const dispatcher = new EnvHttpProxyAgent({
    connections: o.connections,
    pipelining: 1,
    connect: { timeout: o.idle },
    headersTimeout: o.idle,
    bodyTimeout: o.idle,
    // A caching proxy for packages is asked by plain GET: it would cache nothing through a tunnel.
    proxyTunnel: false,
  });
  const failure = (url: string, e: unknown) => sortError(url, e, o.idle);
  const once = (url: string, from: number) =>
    request(url, {
      dispatcher,
      headers: { "user-agent": `debcast/${engineVersion}`, ...(from > 0 && { range: `bytes=${from}-` }) },
    }).catch((e: unknown) => {
      throw failure(url, e);
    });
  return {
    failure,
    close: () => dispatcher.destroy(),
    get: async (url, from = 0) => {
      let at = checkUrl(url, url);
      for (let redirects = 0; ; redirects++) {
        const r = await once(at, from);
        // Without a listener, a body that fails while nobody reads it would end the program.
        r.body.on("error", () => {});
        const to = redirect(r.statusCode, r.headers.location);
        if (to === undefined) return sortResponse({ ...r, url: at, from });
        await r.body.dump({ limit: 1 << 16 }).catch(() => {});
        if (redirects === maxRedirects) throw new Failure("refused", url, { reason: `more than ${maxRedirects} redirects` });
        at = checkUrl(to, at);
      }
    },
  };
}

const maxRedirects = 5;

/** `base` and a path of the archive below it. A `+` is encoded, as apt does: some servers read a bare one as a space. */
export function urlIn(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

function checkUrl(url: string, base: string): string {
  const parsed = URL.canParse(url, base) ? new URL(url, base) : undefined;
  if (parsed?.protocol !== "http:" && parsed?.protocol !== "https:") {
    throw new Failure("refused", base, { reason: `\`${url}\` is not an http or https address` });
  }
  parsed.pathname = parsed.pathname.replaceAll("+", "%2B");
  return parsed.href;
}

function redirect(status: number, location: string | string[] | undefined): string | undefined {
  return [301, 302, 303, 307, 308].includes(status) && typeof location === "string" ? location : undefined;
}

interface Answer {
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: Readable & { dump(o: { limit: number }): Promise<void> };
  url: string;
  from: number;
}

async function sortResponse(r: Answer): Promise<Response> {
  const { statusCode: status, url, body } = r;
  if (status === 200) return { status, from: 0, total: wholeNumber(r.headers["content-length"]), url, body };
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(r.headers["content-range"] ?? ""));
  if (status === 206 && range && Number(range[1]) === r.from) {
    return { status, from: r.from, total: wholeNumber(range[2]), url, body };
  }
  await body.dump({ limit: 1 << 16 }).catch(() => {});
  if (status === 206 || status === 416) throw new Failure("range", url, { reason: `status ${status} for bytes ${r.from} and on` });
  const kind = status === 404 || status === 410 ? "absent" : status >= 500 || status === 408 || status === 429 ? "transient" : "refused";
  const wait = Math.min(10, wholeNumber(r.headers["retry-after"]) ?? 0) * 1000;
  throw new Failure(kind, url, { reason: `status ${status}`, wait });
}

function wholeNumber(v: string | string[] | undefined): number | undefined {
  return typeof v === "string" && /^\d{1,15}$/.test(v) ? Number(v) : undefined;
}

const reasons: Record<string, [FailureKind, string]> = {
  ENOTFOUND: ["unreachable", "its name cannot be resolved"],
  EAI_AGAIN: ["unreachable", "its name cannot be resolved"],
  ECONNREFUSED: ["unreachable", "connection refused"],
  ENETUNREACH: ["unreachable", "network is unreachable"],
  EHOSTUNREACH: ["unreachable", "host is unreachable"],
  ETIMEDOUT: ["unreachable", "no connection in time"],
  ECONNRESET: ["transient", "connection was reset"],
  EPIPE: ["transient", "connection was reset"],
  UND_ERR_SOCKET: ["transient", "connection ended too early"],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ["transient", "connection ended too early"],
};

function sortError(url: string, e: unknown, idle: number): Failure {
  if (e instanceof Failure) return e;
  const { code = "", message } = e as NodeJS.ErrnoException;
  const seconds = `${idle / 1000} s`;
  if (code === "UND_ERR_CONNECT_TIMEOUT") return new Failure("unreachable", url, { reason: `no connection within ${seconds}`, cause: e });
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
    return new Failure("transient", url, { reason: `nothing arrived for ${seconds}`, cause: e });
  }
  const known = reasons[code];
  if (known) return new Failure(known[0], url, { reason: known[1], cause: e });
  // Certificates and bad answers of a server do not mend themselves within seconds.
  const local = !code.startsWith("UND_ERR") && !code.startsWith("HPE_") && !/CERT|SSL|TLS/.test(code);
  if (local) throw e;
  return new Failure("refused", url, { reason: message, cause: e });
}
