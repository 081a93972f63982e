// A Packages file that is too large to parse whole (57 MB, 69,000 stanzas): stanzas are found by offset and parsed when asked for.
//
// Beside FILE lies FILE.names. Its first line is `debcast-names 1 SHA256-OF-FILE`; it counts only with that very file, which
// the caller verifies. Then a line per name, sorted by code unit: `NAME TAB STANZA… TAB PROVIDER…`, each an `OFFSET+LENGTH` in FILE.
// Binary search in that text takes the place of a Map of 130,000 names: opening costs 2 ms instead of 60.
import { closeSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { UserError } from "../errors.ts";
import type { LockedDeb } from "../lock.ts";
import { parseParagraph } from "./control.ts";
import { keptOf, poolPath } from "./kept.ts";

/** A package as an index has it. */
export type IndexedDeb = Omit<LockedDeb, "roles">;

export interface PackagesIndex {
  /** Every stanza with this name, in the order of the file. */
  find(name: string): IndexedDeb[];
  /** Stanzas whose Provides has this name. */
  providers(name: string): IndexedDeb[];
  /** Names of real packages, sorted. */
  names(): Iterable<string>;
}

const magic = "debcast-names 1";

/** Opens an index whose FILE.names is there. `archive` is the name of the archive that it belongs to. */
export function openIndex(file: string, archive: string): PackagesIndex {
  const text = readFileSync(`${file}.names`, "latin1");
  const fd = openSync(file, "r");
  const seen = new Map<string, IndexedDeb>();
  const stanza = (span: string): IndexedDeb => {
    let deb = seen.get(span);
    if (deb === undefined) seen.set(span, (deb = readStanza(fd, span, { file, archive })));
    return deb;
  };
  const column = (name: string, n: 1 | 2) => (findLine(text, name)?.split("\t")[n] ?? "").split(" ").filter((s) => s !== "").map(stanza);
  handles.register(seen, fd);
  return { find: (name) => column(name, 1), providers: (name) => column(name, 2), names: () => realNames(text) };
}

/** Files are read for as long as somebody has their index. */
const handles = new FinalizationRegistry<number>((fd) => closeSync(fd));

/** SHA-256 of the Packages file that `file`.names was made from, or undefined when there is no such list. */
export function indexedSha256(file: string): string | undefined {
  try {
    const fd = openSync(`${file}.names`, "r");
    const head = Buffer.alloc(magic.length + 66);
    readSync(fd, head, 0, head.length, 0);
    closeSync(fd);
    return new RegExp(`^${magic} ([0-9a-f]{64})\n`).exec(head.toString("latin1"))?.[1];
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw e;
  }
}

/** Makes FILE.names. Returns the SHA-256 of FILE. */
export function indexPackages(file: string): string {
  const data = readFileSync(file);
  const sha256 = createHash("sha256").update(data).digest("hex");
  const names = new Map<string, { real: string[]; provided: string[] }>();
  const entry = (name: string) => names.get(name) ?? (names.set(name, { real: [], provided: [] }), names.get(name)!);
  for (const { name, provides, span } of stanzas(data)) {
    entry(name).real.push(span);
    for (const virtual of providedNames(provides)) entry(virtual).provided.push(span);
  }
  const lines = [...names].map(([name, e]) => `${name}\t${e.real.join(" ")}\t${e.provided.join(" ")}`).sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const temporary = `${file}.names.${process.pid}`;
  writeFileSync(temporary, `${magic} ${sha256}\n${lines.join("\n")}\n`, "latin1");
  renameSync(temporary, `${file}.names`);
  return sha256;
}

function key(line: string): string {
  return line.slice(0, line.indexOf("\t"));
}

/** Spans of the stanzas with the two fields that are looked up by. 0.2 s for 69,000. */
function* stanzas(data: Buffer): Generator<{ name: string; provides: string; span: string }> {
  const [nameAt, providesAt] = [fieldFinder(data, "Package"), fieldFinder(data, "Provides")];
  for (let start = 0; start < data.length; ) {
    const gap = data.indexOf("\n\n", start, "latin1");
    const end = gap < 0 ? data.length : gap + 1;
    const name = nameAt(start, end);
    if (name !== undefined) yield { name, provides: providesAt(start, end) ?? "", span: `${start}+${end - start}` };
    start = end + 1;
  }
}

/** Finds a field in spans asked for in rising order, so that the whole file is searched once. */
function fieldFinder(data: Buffer, field: string): (start: number, end: number) => string | undefined {
  const needle = Buffer.from(`\n${field}: `);
  let at = data.subarray(0, needle.length - 1).equals(needle.subarray(1)) ? -1 : after(data, needle, 0);
  return (start, end) => {
    while (at !== NONE && at < start - 1) at = after(data, needle, at + 1);
    if (at === NONE || at >= end) return undefined;
    let stop = data.indexOf(10, at + needle.length);
    while (stop >= 0 && stop + 1 < end && (data[stop + 1] === 32 || data[stop + 1] === 9)) stop = data.indexOf(10, stop + 1);
    return data.toString("latin1", at + needle.length, stop < 0 ? end : Math.min(stop, end)).trim();
  };
}

const NONE = Infinity;

function after(data: Buffer, needle: Buffer, from: number): number {
  const found = data.indexOf(needle, from);
  return found < 0 ? NONE : found;
}

function providedNames(provides: string): Set<string> {
  if (provides === "") return new Set();
  return new Set(provides.split(",").map((p) => /^\s*([^\s:(]+)/.exec(p)?.[1] ?? "").filter((p) => p !== ""));
}

function findLine(text: string, name: string): string | undefined {
  let [low, high] = [text.indexOf("\n") + 1, text.length];
  while (low < high) {
    const middle = text.lastIndexOf("\n", Math.floor((low + high) / 2) - 1) + 1;
    const start = Math.max(middle, low);
    const end = text.indexOf("\n", start);
    const line = text.slice(start, text.indexOf("\t", start));
    if (line === name) return text.slice(start, end);
    if (line < name) low = end + 1;
    else high = start;
  }
  return undefined;
}

function* realNames(text: string): Generator<string> {
  for (const line of text.slice(text.indexOf("\n") + 1).split("\n")) {
    const tab = line.indexOf("\t");
    if (tab > 0 && line[tab + 1] !== "\t") yield line.slice(0, tab);
  }
}

function readStanza(fd: number, span: string, o: { file: string; archive: string }): IndexedDeb {
  const [offset, length] = span.split("+").map(Number) as [number, number];
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, offset);
  const what = `the index of the archive \`${o.archive}\``;
  const p = parseParagraph(bytes.toString("utf8"), what);
  const need = (name: string, shape: RegExp): string => {
    const value = p.get(name);
    if (value === undefined || !shape.test(value)) throw new UserError("index.broken", `${what} has \`${p.get("Package")}\` with ${value === undefined ? "no" : "a wrong"} ${name}`);
    return value;
  };
  return {
    name: need("Package", /^[a-z0-9][a-z0-9+.-]*$/),
    version: need("Version", /^[0-9A-Za-z.+~:-]+$/),
    arch: need("Architecture", /^[a-z0-9-]+$/),
    archive: o.archive,
    filename: need("Filename", poolPath),
    size: Number(need("Size", /^\d{1,15}$/)),
    sha256: need("SHA256", /^[0-9a-f]{64}$/),
    fields: keptOf(p),
  };
}
