// A second thread that fills files from others. Most of what packages weigh is in a few large files; while this thread copies them
// out of the store's tars, the one that places packages goes on with the many small ones.
import * as fs from "node:fs";
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";

/** A file that is open and empty, and what it becomes. */
export interface Fill {
  readonly fd: number;
  /** Where its content lies: `size` bytes of the file `from`, from `offset`. */
  readonly from: string;
  readonly offset: number;
  readonly size: number;
  /** Given where it is not root's. */
  readonly owner?: readonly [uid: number, gid: number];
  /** Given where it is not what the file was made with. */
  readonly mode?: number;
  /** Seconds. */
  readonly mtime: number;
}

interface Filler {
  take(fill: Fill): boolean;
  settle(): void;
}

/** Files of this size and more, in bytes, are worth handing over. */
export const worthHandingOver = 65_536;

/** Files that wait are open. */
const most = 64;

/** Longer than any file takes: a thread that never began would be waited for without an end. */
const patience = 60_000;

/** Started once for the process; it does not keep it alive. */
let only: Filler | undefined;

/** Takes a file over, and closes it when it is done; false: there is enough to do. */
export function fillBeside(fill: Fill): boolean {
  return (only ??= startFiller()).take(fill);
}

/** Waits until every file that was taken over is whole. Throws what went wrong with one of them. */
export function settleFills(): void {
  only?.settle();
}

function startFiller(): Filler {
  const done = new Int32Array(new SharedArrayBuffer(4));
  const { port1: errors, port2 } = new MessageChannel();
  const worker = new Worker(`(${serve.toString()})(require, ${fillFile.toString()})`, { eval: true, workerData: { done, errors: port2 }, transferList: [port2], trackUnmanagedFds: false });
  worker.unref();
  errors.unref();
  let sent = 0;
  return {
    take: (fill) => {
      if (sent - Atomics.load(done, 0) >= most) return false;
      sent++;
      worker.postMessage(fill);
      return true;
    },
    settle: () => {
      for (let now = Atomics.load(done, 0); now < sent; now = Atomics.load(done, 0)) {
        if (Atomics.wait(done, 0, now, patience) === "timed-out") throw new Error("the thread that fills files does not answer");
      }
      // What lies at a path later is another file.
      worker.postMessage(undefined);
      const failed = receiveMessageOnPort(errors);
      if (failed) throw failed.message;
    },
  };
}

/** The same at once, in this thread; `from` is open, and the file stays open. */
export function fillNow(fill: Fill, from: number): void {
  fillFile(fs, buffer, from, fill);
}

const buffer = Buffer.allocUnsafe(1 << 20);

/** Content first: writing takes setuid away, and moves the time. Handed over as text, as `serve` is: nothing outside may be named in here. */
function fillFile({ fchmodSync, fchownSync, futimesSync, readSync, writeSync }: typeof fs, space: Buffer, from: number, f: Fill): void {
  for (let at = 0; at < f.size; ) {
    const n = readSync(from, space, 0, Math.min(space.length, f.size - at), f.offset + at);
    if (n === 0) throw new Error(`${f.from} is shorter than its index says`);
    for (let written = 0; written < n; ) written += writeSync(f.fd, space, written, n - written);
    at += n;
  }
  if (f.owner) fchownSync(f.fd, ...f.owner);
  if (f.mode !== undefined) fchmodSync(f.fd, f.mode);
  futimesSync(f.fd, f.mtime, f.mtime);
}

/** The thread. */
function serve(require: NodeJS.Require, fill: typeof fillFile): void {
  const files = require("node:fs") as typeof fs;
  const { parentPort, workerData } = require("node:worker_threads") as { parentPort: MessagePort; workerData: { done: Int32Array; errors: MessagePort } };
  const space = Buffer.allocUnsafe(1 << 20);
  let open = { path: "", fd: -1 };

  const close = () => {
    if (open.fd !== -1) files.closeSync(open.fd);
    open = { path: "", fd: -1 };
  };
  const opened = (path: string): number => {
    if (open.path === path) return open.fd;
    close();
    open = { path, fd: files.openSync(path, "r") };
    return open.fd;
  };
  parentPort.on("message", (f: Fill | undefined) => {
    if (!f) return close();
    try {
      fill(files, space, opened(f.from), f);
    } catch (e) {
      workerData.errors.postMessage(e);
    } finally {
      files.closeSync(f.fd);
      Atomics.add(workerData.done, 0, 1);
      Atomics.notify(workerData.done, 0);
    }
  });
}
