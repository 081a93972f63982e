// SHA-256 of parts of a large file, on all processors: on one it takes half as long as all the programs that make the disk.
import { availableParallelism } from "node:os";
import { Worker, type MessagePort } from "node:worker_threads";
import { hostError } from "../hosterrors.ts";

/** Bytes of a file, `end` not in it. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** More of them wait for memory. */
const mostThreads = 8;

/** In the order of `extents`, as hex. What lies behind the end of the file counts for nothing. */
export async function digestsOf(file: string, extents: readonly Extent[]): Promise<string[]> {
  const threads = Math.min(availableParallelism(), mostThreads, extents.length);
  const shares = Array.from({ length: threads }, (_, t) => extents.filter((_, i) => i % threads === t));
  const digests = await Promise.all(shares.map((share) => inThread({ file, extents: share })));
  return extents.map((_, i) => digests[i % threads]![Math.floor(i / threads)]!);
}

interface Share {
  readonly file: string;
  readonly extents: readonly Extent[];
}

function inThread(share: Share): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(`(${serve.toString()})(require)`, { eval: true, workerData: share });
    worker.once("message", resolve);
    worker.once("error", (e) => reject(hostError(e, { path: share.file })));
    worker.once("exit", () => reject(new Error(`the thread that reads ${share.file} ended early`)));
  });
}

/** The thread. Handed over as text: nothing outside may be named in here. */
function serve(require: NodeJS.Require): void {
  const { closeSync, openSync, readSync } = require("node:fs") as typeof import("node:fs");
  const { createHash } = require("node:crypto") as typeof import("node:crypto");
  const { parentPort, workerData } = require("node:worker_threads") as { parentPort: MessagePort; workerData: Share };
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(workerData.file, "r");
  try {
    parentPort.postMessage(workerData.extents.map(({ start, end }) => {
      const hash = createHash("sha256");
      for (let at = start; at < end; ) {
        const n = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
        if (n === 0) break;
        hash.update(buffer.subarray(0, n));
        at += n;
      }
      return hash.digest("hex");
    }));
  } finally {
    closeSync(fd);
  }
}
