// Writes .debs: an ar archive of debian-binary, control.tar and data.tar (deb(5)). Nothing is compressed, so that the bytes are the
// same whatever zlib the host has; everything is root's, in the order given, and of one time.

export interface TarEntry {
  /** `usr/bin/x`, without a slash in front or behind. */
  readonly path: string;
  readonly mode: number;
  /** A file's bytes; for a link its target; for a directory nothing. */
  readonly content?: Uint8Array;
  readonly link?: string;
}

export interface DebParts {
  readonly control: readonly TarEntry[];
  readonly data: readonly TarEntry[];
  /** Seconds since 1970 of every member and entry. */
  readonly epoch: number;
}

/** The bytes of a .deb. */
export function writeDeb({ control, data, epoch }: DebParts): Buffer {
  return Buffer.concat([
    Buffer.from("!<arch>\n"),
    ...arMember("debian-binary", Buffer.from("2.0\n"), epoch),
    ...arMember("control.tar", writeTar(control, epoch), epoch),
    ...arMember("data.tar", writeTar(data, epoch), epoch),
  ]);
}

function arMember(name: string, content: Buffer, epoch: number): Buffer[] {
  const header = `${name.padEnd(16)}${String(epoch).padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(content.length).padEnd(10)}\`\n`;
  return [Buffer.from(header), content, Buffer.from(content.length % 2 === 1 ? "\n" : "")];
}

/** A tar as dpkg reads it: GNU's long names, for it knows no pax headers. */
function writeTar(entries: readonly TarEntry[], epoch: number): Buffer {
  const root: TarEntry = { path: "", mode: 0o755 };
  const blocks = [root, ...entries].flatMap((e) => {
    const name = Buffer.from(e.path === "" ? "./" : `./${e.path}${isDirectory(e) ? "/" : ""}`);
    const target = Buffer.from(e.link ?? "");
    const content = Buffer.from(e.content ?? new Uint8Array());
    const type = e.link !== undefined ? "2" : isDirectory(e) ? "5" : "0";
    return [
      ...longName("K", target, 100),
      ...longName("L", name, 100),
      header({ name, target, type, mode: e.mode, size: content.length, epoch }),
      ...padded(content),
    ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function isDirectory(e: TarEntry): boolean {
  return e.content === undefined && e.link === undefined;
}

/** What does not fit into a header goes before it as an entry of its own. */
function longName(type: "K" | "L", text: Buffer, limit: number): Buffer[] {
  if (text.length <= limit) return [];
  const content = Buffer.concat([text, Buffer.alloc(1)]);
  return [header({ name: Buffer.from("././@LongLink"), target: Buffer.alloc(0), type, mode: 0, size: content.length, epoch: 0 }), ...padded(content)];
}

interface Header {
  readonly name: Buffer;
  readonly target: Buffer;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly epoch: number;
}

function header(h: Header): Buffer {
  const b = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) => b.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  h.name.copy(b, 0, 0, 100);
  octal(h.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(h.size, 124, 12);
  octal(h.epoch, 136, 12);
  b.write(`        ${h.type}`, 148, "latin1");
  h.target.copy(b, 157, 0, 100);
  b.write("ustar  \0", 257, "latin1");
  b.write("root", 265, "latin1");
  b.write("root", 297, "latin1");
  b.write(`${b.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return b;
}

function padded(content: Buffer): Buffer[] {
  return content.length === 0 ? [] : [content, Buffer.alloc((512 - (content.length % 512)) % 512)];
}
