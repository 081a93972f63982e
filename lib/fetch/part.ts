// A file on its way: `NAME.part.PID` while this process writes it, `NAME.part` when it waits for the next run, NAME once it is
// whole and its SHA-256 is right. What a killed run left is found by its dead PID and taken over with a rename, which only one
// process can win; so two runs that fetch the same file never write into the same one.
// Nothing is synced to disk: cache.ts hashes a file again unless size, times and inode are those it had when it was verified.
import { createHash } from "node:crypto";
import { readFileSync, type BigIntStats } from "node:fs";
import { mkdir, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

export interface Part {
  /** Bytes taken so far. */
  readonly length: number;
  write(piece: Uint8Array): Promise<void>;
  /** Forgets all that was taken. */
  restart(): Promise<void>;
  /** SHA-256 of all that was taken. */
  digest(): string;
  /** Gives the file its final name, and tells what stat says of it then. */
  commit(): Promise<BigIntStats>;
  /** Leaves it for the next run; does nothing after commit(). */
  release(): Promise<void>;
}

/** Begins `to`, or goes on with what an earlier run left of it. `onLength` is told of every change of length. */
export async function openPart(to: string, onLength: (delta: number) => void): Promise<Part> {
  const mine = `${to}.part.${process.pid}`;
  await mkdir(dirname(to), { recursive: true });
  await takeOver(to, mine);
  const file = await open(mine, "a+");
  try {
    return await continuePart({ to, mine, file, onLength });
  } catch (e) {
    await file.close();
    throw e;
  }
}

/** The names of `dir` that are parts, each with the file it will be. */
async function leftParts(dir: string): Promise<{ name: string; of: string; pid: number | undefined }[]> {
  const names = await readdir(dir);
  return names.flatMap((name) => {
    const m = /^(.+)\.part(?:\.(\d+))?$/.exec(name);
    return m ? [{ name, of: m[1]!, pid: m[2] === undefined ? undefined : Number(m[2]) }] : [];
  });
}

async function takeOver(to: string, mine: string): Promise<void> {
  const dir = dirname(to);
  const free = (await leftParts(dir)).filter((p) => p.of === basename(to) && (p.pid === undefined || !alive(p.pid)));
  for (const { name } of free) {
    await rename(join(dir, name), mine).catch((e: NodeJS.ErrnoException) => {
      if (e.code !== "ENOENT") throw e;
    });
  }
}

/** Removes what killed runs left of files that are there by now. */
export async function removeLeft(dir: string, there: ReadonlySet<string>): Promise<void> {
  const parts = (await leftParts(dir)).filter((p) => there.has(join(dir, p.of)) && !(p.pid !== undefined && alive(p.pid)));
  await Promise.all(parts.map((p) => rm(join(dir, p.name), { force: true })));
}

function alive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  try {
    // A killed process may stay as a zombie: in a container, for good.
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
}

const pieceSize = 1 << 18;

async function continuePart(o: { to: string; mine: string; file: FileHandle; onLength: (delta: number) => void }): Promise<Part> {
  const { to, mine, file, onLength } = o;
  let hash = createHash("sha256");
  let length = 0;
  let waiting: Uint8Array[] = [];
  let waitingLength = 0;
  let open = true;
  for await (const piece of file.createReadStream({ start: 0, autoClose: false, highWaterMark: pieceSize }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    length += piece.length;
  }
  onLength(length);
  const flush = async () => {
    if (waiting.length > 0) await file.appendFile(Buffer.concat(waiting));
    waiting = [];
    waitingLength = 0;
  };
  const close = async () => {
    open = false;
    await file.close();
  };
  return {
    get length() {
      return length;
    },
    write: async (piece) => {
      hash.update(piece);
      length += piece.length;
      onLength(piece.length);
      waiting.push(piece);
      waitingLength += piece.length;
      // Fewer, larger writes: most .debs are whole in one.
      if (waitingLength >= pieceSize) await flush();
    },
    restart: async () => {
      if (length === 0) return;
      waiting = [];
      waitingLength = 0;
      await file.truncate(0);
      onLength(-length);
      hash = createHash("sha256");
      length = 0;
    },
    digest: () => hash.copy().digest("hex"),
    commit: async () => {
      await flush();
      await rename(mine, to);
      const stats = await file.stat({ bigint: true });
      await close();
      return stats;
    },
    release: async () => {
      if (!open) return;
      await flush().finally(close);
      if (length === 0) await rm(mine, { force: true });
      else await rename(mine, `${to}.part`);
    },
  };
}
