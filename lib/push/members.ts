// The members of a tar archive that GNU tar has just written (--format=posix), read as a stream. lib/inspect/tarball.ts reads archives of
// anybody's; here names do not matter, for members come in the order in which they were asked for, but bytes of attributes do.
import { createHash } from "node:crypto";

export interface Member {
  /** As tar has it: `0` a file, `1` another name of a file that came before. */
  readonly type: string;
  readonly sha256: string;
  /** `1:3`; empty when it is no device. */
  readonly device: string;
  /** Digest of capabilities, ACLs and other attributes; empty when there are none. */
  readonly attributes: string;
  /** What it holds, a character for each byte, where that is asked for. */
  readonly text?: string;
}

const block = 512;

/** `keeps` says of which members the content is wanted, by their number. */
export async function* members(tar: AsyncIterable<Buffer>, keeps: (index: number) => boolean): AsyncGenerator<Member> {
  const input = reader(tar);
  let pax = new Map<string, string>();
  for (let index = 0; ; ) {
    const head = await input.exactly(block);
    if (head === undefined || head.every((b) => b === 0)) return;
    const type = String.fromCharCode(head[156]!);
    const text = (at: number, length: number) => head.toString("latin1", at, at + length).replace(/\0.*$/s, "");
    const size = type !== "x" && pax.has("size") ? Number(pax.get("size")) : numberAt(head, 124, 12);
    if (type === "x") {
      pax = records((await input.exactly(padded(size)))!.subarray(0, size));
      continue;
    }
    const kept: Buffer[] | undefined = keeps(index) ? [] : undefined;
    const sha256 = await drain(input, size, kept);
    yield {
      type, sha256,
      device: type === "3" || type === "4" ? `${Number.parseInt(text(329, 8), 8)}:${Number.parseInt(text(337, 8), 8)}` : "",
      attributes: attributesOf(pax),
      ...(kept && { text: Buffer.concat(kept).toString("latin1") }),
    };
    index++;
    pax = new Map();
  }
}

async function drain(input: Reader, size: number, kept: Buffer[] | undefined): Promise<string> {
  const hash = createHash("sha256");
  for (let left = size; left > 0; ) {
    const piece = await input.some(left);
    if (piece === undefined) throw new Error("the archive ends too early");
    hash.update(piece);
    kept?.push(piece);
    left -= piece.length;
  }
  await input.exactly(padded(size) - size);
  return hash.digest("hex");
}

/** The root of the namespace apart, they say the same wherever they are read. */
function attributesOf(pax: ReadonlyMap<string, string>): string {
  const found = [...pax].filter(([key]) => /^SCHILY\.(xattr|acl)\./.test(key)).map(([key, value]) => `${key}=${value}`).sort();
  return found.length === 0 ? "" : createHash("sha256").update(found.join("\0"), "latin1").digest("hex").slice(0, 32);
}

/** `LENGTH KEY=VALUE\n`, one after the other. */
function records(data: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString("latin1", at, space));
    if (!(length > 0)) throw new Error("a pax header is broken");
    const text = data.toString("latin1", space + 1, at + length - 1);
    found.set(text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1));
    at += length;
  }
  return found;
}

/** Octal, or for what is too large for that, the bytes themselves. */
function numberAt(head: Buffer, at: number, length: number): number {
  if ((head[at]! & 0x80) === 0) return Number.parseInt(head.toString("latin1", at, at + length).replace(/[\0 ].*$/s, ""), 8) || 0;
  return Number(BigInt(`0x${head.toString("hex", at + 1, at + length)}`));
}

function padded(size: number): number {
  return Math.ceil(size / block) * block;
}

interface Reader {
  /** Up to so many bytes; undefined at the end. */
  some(most: number): Promise<Buffer | undefined>;
  exactly(length: number): Promise<Buffer | undefined>;
}

function reader(source: AsyncIterable<Buffer>): Reader {
  const pieces = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const some = async (most: number): Promise<Buffer | undefined> => {
    while (rest.length === 0) {
      const next = await pieces.next();
      if (next.done) return undefined;
      rest = next.value;
    }
    const piece = rest.subarray(0, most);
    rest = rest.subarray(piece.length);
    return piece;
  };
  const exactly = async (length: number) => {
    const got: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const piece = await some(left);
      if (piece === undefined) {
        if (left === length) return undefined;
        throw new Error("the archive ends too early");
      }
      got.push(piece);
      left -= piece.length;
    }
    return got.length === 1 ? got[0]! : Buffer.concat(got);
  };
  return { some, exactly };
}
