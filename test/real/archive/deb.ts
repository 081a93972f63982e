// Tiny .debs, byte for byte the same on every run. What a normal .deb never holds is possible too: entries are taken as given.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack, type Header } from "tar-stream";

export type Compression = "xz" | "zst" | "gz" | "none";

/** Content of a file, or any tar header (type, linkname, mode, uid, …) with content. */
export type TestFile = string | Buffer | (Partial<Header> & { content?: string | Buffer });

export interface TestDeb {
  readonly name: string;
  /** Default `1.0`. */
  readonly version?: string;
  /** Default `all`. */
  readonly arch?: string;
  /** More fields of the control file (Depends, Essential, …). */
  readonly fields?: Readonly<Record<string, string>>;
  /** By path, absolute; directories above are added. */
  readonly files?: Readonly<Record<string, TestFile>>;
  /** Entries of data.tar exactly as given, after those of `files`. */
  readonly entries?: readonly TestEntry[];
  /** preinst, postinst, triggers, …: files of control.tar, executable if they begin with `#!`. */
  readonly control?: Readonly<Record<string, string>>;
  readonly conffiles?: readonly string[];
  /** Of data.tar; default `xz`. */
  readonly compression?: Compression;
  /** Of control.tar; default `compression`. */
  readonly controlCompression?: Compression;
  /** Which component of the archive it is in; default `main`. */
  readonly component?: string;
}

export interface TestEntry extends Partial<Header> {
  readonly name: string;
  readonly content?: string | Buffer;
}

/** 2025-01-01: the mtime of everything in a test .deb. */
export const debDate = 1_735_689_600;

/** The bytes of a .deb. */
export async function makeDeb(deb: TestDeb): Promise<Buffer> {
  const compression = deb.compression ?? "xz";
  const controlCompression = deb.controlCompression ?? compression;
  const data = await tarFile([...directories(Object.keys(deb.files ?? {})), ...Object.entries(deb.files ?? {}).map(fileEntry), ...(deb.entries ?? [])]);
  const control = await tarFile([{ name: "./", type: "directory" }, ...controlEntries(deb)]);
  return arFile([
    { name: "debian-binary", content: Buffer.from("2.0\n") },
    { name: `control.tar${suffix(controlCompression)}`, content: compress(control, controlCompression) },
    { name: `data.tar${suffix(compression)}`, content: compress(data, compression) },
  ]);
}

/** The control file's text. */
export function controlText(deb: TestDeb): string {
  const fields = {
    Package: deb.name,
    Version: deb.version ?? "1.0",
    Architecture: deb.arch ?? "all",
    Maintainer: "Test <test@mirror.example>",
    Priority: "optional",
    Section: "misc",
    "Installed-Size": "1",
    ...deb.fields,
    Description: deb.fields?.Description ?? `test package ${deb.name}`,
  };
  return `${Object.entries(fields).map(([k, v]) => `${k}: ${v}`).join("\n")}\n`;
}

/** `NAME_VERSION_ARCH.deb`: like in a real pool, without the epoch. */
export function debFileName(deb: TestDeb): string {
  return `${deb.name}_${(deb.version ?? "1.0").replace(/^\d+:/, "")}_${deb.arch ?? "all"}.deb`;
}

/** A tar archive of `entries` as given, owned by root, all of one time. */
export async function tarFile(entries: readonly TestEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...e } of entries) {
    const body = Buffer.from(content ?? "");
    const mode = e.mode ?? (e.type === "directory" ? 0o755 : e.type === "symlink" ? 0o777 : 0o644);
    tar.entry({ mtime: new Date(debDate * 1000), uid: 0, gid: 0, uname: "root", gname: "root", ...e, mode, ...(!e.type || e.type === "file" ? { size: body.length } : {}) }, body);
  }
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** An ar archive, as of .debs. */
export function arFile(members: readonly { name: string; content: Buffer }[]): Buffer {
  const parts = members.flatMap(({ name, content }) => {
    const head = `${name.padEnd(16)}${String(debDate).padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(content.length).padEnd(10)}\`\n`;
    return [Buffer.from(head), content, Buffer.alloc(content.length % 2, "\n")];
  });
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}

export function compress(data: Buffer, how: Compression): Buffer {
  if (how === "none") return data;
  if (how === "gz") return gzipSync(data);
  const [file, ...args] = how === "xz" ? ["xz", "-1", "-c", "-T1"] : ["zstd", "-q", "-c"];
  const r = spawnSync(file!, args, { input: data, maxBuffer: 1 << 30 });
  if (r.status !== 0) throw new Error(`${file} failed: ${r.error?.message ?? r.stderr}`);
  return r.stdout;
}

export function sha256(data: Buffer | string): string {
  return createHash("sha256").update(data).digest("hex");
}

function suffix(how: Compression): string {
  return how === "none" ? "" : `.${how}`;
}

function directories(paths: readonly string[]): TestEntry[] {
  const dirs = new Set(["./"]);
  for (const path of paths) {
    const parts = path.split("/").slice(1, -1);
    parts.forEach((_, i) => dirs.add(`./${parts.slice(0, i + 1).join("/")}/`));
  }
  return [...dirs].sort().map((name) => ({ name, type: "directory" }));
}

function fileEntry([path, file]: [string, TestFile]): TestEntry {
  return { name: `.${path}`, ...(typeof file === "string" || Buffer.isBuffer(file) ? { content: file } : file) };
}

function controlEntries(deb: TestDeb): TestEntry[] {
  const files = Object.entries(deb.files ?? {}).map(fileEntry).filter((e) => !e.type || e.type === "file");
  const md5 = (content: TestEntry["content"]) => createHash("md5").update(content ?? "").digest("hex");
  const sums = files.map((e) => `${md5(e.content)}  ${e.name.slice(2)}\n`).join("");
  const conffiles = deb.conffiles?.map((c) => `${c}\n`).join("");
  const all = { control: controlText(deb), md5sums: sums, ...(conffiles && { conffiles }), ...deb.control };
  return Object.entries(all).map(([name, content]) => ({ name: `./${name}`, content, mode: content.startsWith("#!") ? 0o755 : 0o644 }));
}
