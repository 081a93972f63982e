// An HTTP server on the loopback with everything that a mirror can do wrong, path by path.
import { once } from "node:events";
import { createServer, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What goes wrong with a path. Several at once are possible where that makes sense. */
export interface Fault {
  /** This status instead of the file: 404, 503, … */
  readonly status?: number;
  /** Of a `status`, in seconds. */
  readonly retryAfter?: number;
  /** That many bytes come (0: not even headers), then nothing, and the connection stays. */
  readonly stallAfter?: number;
  /** That many bytes come, then the connection is reset. */
  readonly resetAfter?: number;
  /** Always the whole file, status 200. */
  readonly ignoreRange?: true;
  /** Status 206, but from the first byte, whatever was asked for. */
  readonly wrongRange?: true;
  /** The file, and then bytes without an end; no length is told. */
  readonly endless?: true;
  /** Other content is served. */
  readonly change?: (content: Buffer) => Buffer;
  /** Status 302 to this address. */
  readonly redirect?: string;
  /** A pause of that many ms after each 16 KiB: nothing wrong, but time for a test to act. */
  readonly pace?: number;
}

export interface Request {
  /** As it was sent, still encoded. */
  readonly path: string;
  readonly range: string | undefined;
  /** Of the answer; 0 when there was none. */
  status: number;
}

export interface TestServer {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** What is served, by decoded path. */
  readonly files: Map<string, Buffer>;
  /** Everything that was asked for, in order. */
  readonly requests: Request[];
  /** Makes paths that end in a string or match a pattern go wrong, `times` times (default: always). The latest call wins. */
  fault(path: string | RegExp, fault: Fault, times?: number): void;
  /** Everything is well again. */
  heal(): void;
  stop(): Promise<void>;
}

/** Ready-made changes of content for `{ change }`. */
export const change = {
  /** One bit in the middle: same size. */
  bit: (b: Buffer): Buffer => {
    const copy = Buffer.from(b);
    copy[copy.length >> 1]! ^= 1;
    return copy;
  },
  shorter: (b: Buffer): Buffer => b.subarray(0, b.length >> 1),
  longer: (b: Buffer): Buffer => Buffer.concat([b, Buffer.from("more")]),
};

export async function startServer(): Promise<TestServer> {
  const files = new Map<string, Buffer>();
  const requests: Request[] = [];
  const faults: { path: string | RegExp; fault: Fault; left: number }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((req, res) => {
    const request: Request = { path: req.url ?? "", range: req.headers.range, status: 0 };
    requests.push(request);
    res.on("error", () => {});
    const path = decodeURIComponent(request.path);
    const found = faults.findLast((f) => f.left > 0 && (typeof f.path === "string" ? path.endsWith(f.path) : f.path.test(path)));
    if (found) found.left--;
    answer({ res, request, content: files.get(path), fault: found?.fault ?? {} });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    requests,
    fault: (path, fault, times = Infinity) => void faults.push({ path, fault, left: times }),
    heal: () => void faults.splice(0),
    stop: async () => {
      for (const s of sockets) s.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

interface Exchange {
  readonly res: ServerResponse;
  readonly request: Request;
  readonly content: Buffer | undefined;
  readonly fault: Fault;
}

function answer(x: Exchange): void {
  const { status, retryAfter, redirect, change } = x.fault;
  if (status !== undefined) {
    begin(x, status, { ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }) });
    x.res.end(`status ${status}\n`);
  } else if (redirect !== undefined) {
    begin(x, 302, { location: redirect });
    x.res.end();
  } else if (x.content === undefined) {
    begin(x, 404, {});
    x.res.end("not found\n");
  } else {
    serve(x, change ? change(x.content) : x.content).catch(() => x.res.destroy());
  }
}

function begin(x: Exchange, status: number, headers: OutgoingHttpHeaders): void {
  x.request.status = status;
  x.res.writeHead(status, headers);
}

async function serve(x: Exchange, content: Buffer): Promise<void> {
  const { res } = x;
  const { ignoreRange, wrongRange, endless, stallAfter, resetAfter, pace } = x.fault;
  const range = ignoreRange || endless ? null : /^bytes=(\d+)-$/.exec(x.request.range ?? "");
  const from = range && !wrongRange ? Number(range[1]) : 0;
  if (range && from >= content.length) {
    begin(x, 416, { "content-range": `bytes */${content.length}` });
    return void res.end();
  }
  const body = content.subarray(from);
  if (stallAfter === 0) return;
  begin(x, range ? 206 : 200, {
    ...(!endless && { "content-length": body.length }),
    ...(range && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
  });
  if (endless) return pour(res, body);
  if (stallAfter !== undefined) return void res.write(body.subarray(0, stallAfter));
  if (resetAfter !== undefined) return void res.write(body.subarray(0, resetAfter), () => setTimeout(() => res.socket?.resetAndDestroy(), 20));
  if (pace !== undefined) return paced(res, body, pace);
  res.end(body);
}

async function pour(res: ServerResponse, body: Buffer): Promise<void> {
  res.write(body);
  const more = Buffer.alloc(1 << 16);
  while (!res.destroyed) {
    if (!res.write(more)) await once(res, "drain");
  }
}

async function paced(res: ServerResponse, body: Buffer, ms: number): Promise<void> {
  for (let at = 0; at < body.length && !res.destroyed; at += 1 << 14) {
    res.write(body.subarray(at, at + (1 << 14)));
    await sleep(ms);
  }
  res.end();
}
