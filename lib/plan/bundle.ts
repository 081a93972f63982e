// Each scriptlet and each conf as one piece of JavaScript that knows all that went into it.
//
// A cache file `downloads/bundle/KEY.json` holds the bundles of one directory. Its first line is the SHA-256 of the rest, so a
// damaged file counts as none. KEY stands for the directory, esbuild's version and this format. A bundle in it is valid while
// every one of its inputs has the SHA-256 that it had; imports name files exactly, so no file that comes new can change what an
// import means. The contents are read, not just their dates: 1,000 files take 25 ms. esbuild is loaded only when one is stale.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import type { BuildFailure, BuildOptions, BuildResult, Message, Metafile } from "esbuild";
import { UserError, throwAll } from "../errors.ts";
import { importRules, type Refusal } from "./imports.ts";

export interface Bundle {
  readonly code: string;
  readonly sha256: string;
  /** Source map without contents; its sources are relative to the root. */
  readonly map: string;
  /** Absolute paths of everything that went into it. */
  readonly inputs: readonly string[];
  /** Names that stand in its calls of need(), as far as they are literal. */
  readonly mentions: readonly string[];
}

export interface BundleSettings {
  /** The directory that base/ and conf/ lie in. */
  readonly root: string;
  readonly baseDirs: readonly string[];
  /** downloads/ */
  readonly downloads: string;
}

/** The bundles of one directory, cached. */
export interface Bundles {
  /** Names in need() calls of a file: from its bundle if that is fresh, else from the source alone. */
  mentions(file: string): readonly string[];
  /** The bundles of these files (absolute paths), all stale ones made in one go. Throws every mistake that it meets. */
  get(files: readonly string[]): Promise<ReadonlyMap<string, Bundle>>;
}

interface Kept extends Omit<Bundle, "inputs"> {
  /** SHA-256 of each input by its path relative to the root. */
  readonly inputs: Readonly<Record<string, string>>;
}

type Shelf = Record<string, Kept>;

const format = 1;

export function openBundles(o: BundleSettings): Bundles {
  const file = cacheFile(o);
  const shelf = readShelf(file);
  const hashes = hashReader(o.root);
  const name = (f: string) => relative(o.root, f);
  const fresh = (f: string) => Object.entries(shelf[name(f)]?.inputs ?? { "": "" }).every(([p, hash]) => hashes.of(p) === hash);
  return {
    mentions: (file) => (fresh(file) ? shelf[name(file)]!.mentions : mentionedNames(readOrNothing(file))),
    get: async (files) => {
      for (const f of files) hashes.mustRead(f);
      const stale = files.filter((f) => !fresh(f));
      if (stale.length > 0) {
        Object.assign(shelf, await makeBundles(stale, o, hashes));
        writeShelf(file, Object.fromEntries(Object.entries(shelf).filter(([p]) => hashes.of(p) !== undefined)));
      }
      return new Map(files.map((f) => [f, unpack(shelf[name(f)]!, o.root)]));
    },
  };
}

/** The names in need("a", "b") calls of a source or a bundle. Too many do no harm: they are only made ready. */
function mentionedNames(code: string): string[] {
  const calls = code.matchAll(/\bneed\)?\(([^)]*)\)/g);
  return [...new Set([...calls].flatMap((c) => [...c[1]!.matchAll(/["'`]([a-z0-9][a-z0-9+.-]*)["'`]/g)].map((m) => m[1]!)))];
}

function unpack(kept: Kept, root: string): Bundle {
  return { ...kept, inputs: Object.keys(kept.inputs).map((p) => join(root, p)) };
}

// ── Contents ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface HashReader {
  /** SHA-256 of a file by its relative path, read once; undefined when it cannot be read. */
  of(path: string): string | undefined;
  mustRead(file: string): void;
  /** The contents of a file by its absolute path; `of` tells from now on what was read here. */
  read(file: string): Uint8Array;
}

function hashReader(root: string): HashReader {
  const known = new Map<string, string | undefined>();
  const of = (path: string) => {
    if (!known.has(path)) known.set(path, readHash(join(root, path)));
    return known.get(path);
  };
  return {
    of,
    mustRead: (file) => {
      if (of(relative(root, file)) === undefined) throw unreadable(file);
    },
    read: (file) => {
      const bytes = readFileSync(file);
      known.set(relative(root, file), sha256(bytes));
      return bytes;
    },
  };
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function readHash(file: string): string | undefined {
  try {
    return sha256(readFileSync(file));
  } catch {
    return undefined;
  }
}

function unreadable(file: string): UserError {
  try {
    readFileSync(file);
  } catch (e) {
    const reasons: Record<string, string> = { EISDIR: "it is a directory", EACCES: "permission is denied", ENOENT: "there is no such file", ELOOP: "its links go round" };
    const { code, message } = e as NodeJS.ErrnoException;
    return new UserError("load.unreadable", `the file cannot be read: ${reasons[code ?? ""] ?? message}`, { where: { file } });
  }
  return new UserError("load.unreadable", "the file changed while it was read", { where: { file } });
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

// ── Cache ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function cacheFile(o: BundleSettings): string {
  const require = createRequire(import.meta.url);
  const { version } = JSON.parse(readFileSync(require.resolve("esbuild/package.json"), "utf8")) as { version: string };
  return join(o.downloads, "bundle", `${sha256(JSON.stringify([format, version, o.root])).slice(0, 16)}.json`);
}

function readShelf(file: string): Shelf {
  try {
    const text = readFileSync(file, "utf8");
    const body = text.slice(65);
    return text.slice(0, 64) === sha256(body) ? (JSON.parse(body) as Shelf) : {};
  } catch {
    return {};
  }
}

function writeShelf(file: string, shelf: Shelf): void {
  const body = JSON.stringify(shelf);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}`, `${sha256(body)}\n${body}`);
  renameSync(`${file}.${process.pid}`, file);
}

// ── Bundling ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function makeBundles(files: readonly string[], o: BundleSettings, hashes: HashReader): Promise<Shelf> {
  const { build } = await import("esbuild");
  try {
    return shelve(await build(buildOptions(files, o, hashes)), files, { o, hashes });
  } catch (e) {
    if (!isBuildFailure(e)) throw e;
    throwAll(e.errors.map((m) => mistake(m, o.root)));
    throw e;
  }
}

function buildOptions(files: readonly string[], o: BundleSettings, hashes: HashReader) {
  return {
    entryPoints: files.map((f) => ({ in: f, out: outName(f, o.root) })),
    absWorkingDir: o.root,
    outdir: o.root,
    bundle: true,
    write: false,
    metafile: true,
    format: "cjs",
    platform: "neutral",
    target: "node20",
    charset: "utf8",
    sourcemap: "external",
    sourcesContent: false,
    // What lies around the files has no say: no tsconfig, no package.json's side effects.
    tsconfigRaw: "{}",
    ignoreAnnotations: true,
    preserveSymlinks: true,
    logLevel: "silent",
    plugins: [importRules(o, hashes.read)],
  } satisfies BuildOptions;
}

function outName(file: string, root: string): string {
  return relative(root, file).replace(/\.ts$/, "").replaceAll("..", "__");
}

function shelve(result: BuildResult<ReturnType<typeof buildOptions>>, files: readonly string[], { o, hashes }: { o: BundleSettings; hashes: HashReader }): Shelf {
  const outputs = new Map(result.outputFiles.map((f) => [f.path, f.text]));
  const shelf: Shelf = {};
  for (const file of files) {
    const name = relative(o.root, file);
    const out = join(o.root, outName(file, o.root));
    const code = outputs.get(`${out}.js`)!;
    const inputs = inputsOf(result.metafile, name);
    shelf[name] = {
      code,
      sha256: sha256(code),
      map: mapFromRoot(outputs.get(`${out}.js.map`)!, dirname(out), o.root),
      inputs: Object.fromEntries(inputs.map((p) => [p, hashes.of(p) ?? ""])),
      mentions: mentionedNames(code),
    };
  }
  return shelf;
}

/** All that an entry imports, itself included, even what the bundler left out as unused. */
function inputsOf(metafile: Metafile, entry: string): string[] {
  const found = new Set<string>();
  const visit = (path: string) => {
    if (found.has(path)) return;
    found.add(path);
    for (const i of metafile.inputs[path]?.imports ?? []) if (!i.external) visit(i.path);
  };
  visit(entry);
  return [...found];
}

function mapFromRoot(text: string, dir: string, root: string): string {
  const { version, sources, names, mappings } = JSON.parse(text) as { version: number; sources: string[]; names: string[]; mappings: string };
  return JSON.stringify({ version, sources: sources.map((s) => relative(root, resolve(dir, s))), names, mappings });
}

// ── Mistakes ───────────────────────────────────────────────────────────────────────────────────────────────────────

function isBuildFailure(e: unknown): e is BuildFailure {
  return e instanceof Error && Array.isArray((e as Partial<BuildFailure>).errors);
}

function mistake(m: Message, root: string): UserError {
  const where = m.location ? { file: resolve(root, m.location.file), line: m.location.line, column: m.location.column + 1 } : undefined;
  const refusal = m.detail as Refusal | undefined;
  if (refusal?.code) return new UserError(refusal.code, m.text, { where, hint: refusal.hint });
  if (/top-level await/i.test(m.text)) {
    return new UserError("load.await", "`await` stands at the top level, but loading waits for nothing", { where, hint: "await inside of run(async (c) => { … })" });
  }
  return new UserError("load.syntax", lowerFirst(m.text), { where, details: m.location?.lineText.trim() });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replaceAll('"', "`");
}
