// The type check of base/ and conf/, as an editor shows it. It runs beside the fetch, since it takes about as long as loading.
//
// Its result is kept in `downloads/types/KEY.json`, where KEY is the SHA-256 of all that it depends on: the compiler's version and
// every .ts and .json file that it may read. So the same sources are checked once.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { engineRoot } from "../engine.ts";
import { UserError, nearest, throwAll } from "../errors.ts";
import type { Project } from "../project.ts";
import { run } from "../run.ts";
import { findScriptlets, type Catalogue } from "./catalogue.ts";
import { writeGenerated } from "./names.ts";

/** What the compiler said of one place. */
interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly code: string;
  readonly message: string;
  /** The lines that explain it. */
  readonly details?: string;
}

/** Throws every type error in the project's base/, conf/ and lib/. */
export async function checkTypes(project: Project): Promise<void> {
  await writeGenerated(project);
  const file = join(project.downloads, "types", `${inputsKey(project)}.json`);
  const found = readKept(file) ?? keep(file, await compile(project));
  const catalogue = findScriptlets(project);
  const own = found.map((d) => ({ ...d, file: resolve(project.dir, d.file) })).filter((d) => d.file.startsWith(project.dir + sep));
  throwAll(own.map((d) => typeError(d, catalogue)));
}

// ── Cache ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function inputsKey(project: Project): string {
  const hash = createHash("sha256").update(compiler().version);
  const folders = new Set([...project.baseDirs, project.confDir, project.generatedDir, ...(project.dir === engineRoot ? [] : [join(project.dir, "lib")])]);
  for (const file of [join(engineRoot, "lib/api.ts"), ...[...folders].flatMap(sourceFiles)]) {
    const text = readFileSync(file);
    hash.update(`${file}\0${text.length}\0`).update(text);
  }
  return hash.digest("hex");
}

function sourceFiles(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && /\.(ts|json)$/.test(e.name))
    .map((e) => join(e.parentPath ?? e.path, e.name))
    .sort();
}

function readKept(file: string): readonly Diagnostic[] | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Diagnostic[];
  } catch {
    return undefined;
  }
}

function keep(file: string, found: readonly Diagnostic[]): readonly Diagnostic[] {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(found));
  renameSync(`${file}.${process.pid}`, file);
  return found;
}

// ── Compiler ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The native compiler without its wrapper, which would start another Node. */
function compiler(): { argv: readonly string[]; version: string } {
  const require = createRequire(import.meta.url);
  const file = require.resolve("typescript/package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  const native = `@typescript/typescript-${process.platform}-${process.arch}/package.json`;
  try {
    return { argv: [join(dirname(createRequire(file).resolve(native)), "lib/tsc")], version };
  } catch {
    return { argv: [process.execPath, join(dirname(file), "bin/tsc")], version };
  }
}

async function compile(project: Project): Promise<readonly Diagnostic[]> {
  const argv = [...compiler().argv, "--pretty", "false", "-p", join(project.generatedDir, "tsconfig.json")];
  // 1 and 2 are its way of saying that it found something.
  const { code, stdout, stderr } = await run(argv, { cwd: project.dir, ok: [0, 1, 2], what: "could not check types" });
  const found = parseDiagnostics(stdout);
  const nothingToDo = /error TS18003/.test(stdout);
  if (code !== 0 && found.length === 0 && !nothingToDo) throw new Error(`the type check ended with ${code} and said: ${stdout}${stderr}`);
  return found;
}

/** `base/x.ts(3,6): error TS2345: …`, and indented lines that belong to it. */
function parseDiagnostics(output: string): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const line of output.split("\n")) {
    const m = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/.exec(line);
    const last = found.at(-1);
    if (m) found.push({ file: m[1]!, line: Number(m[2]), column: Number(m[3]), code: m[4]!, message: m[5]! });
    else if (last && /^\s+\S/.test(line)) found[found.length - 1] = { ...last, details: last.details ? `${last.details}\n${line.slice(2)}` : line.slice(2) };
  }
  return found;
}

// ── Errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function typeError(d: Diagnostic, catalogue: Catalogue): UserError {
  const scriptlet = [...catalogue.values()].find((s) => s.file === d.file || d.file.startsWith(s.folder + sep))?.name;
  return new UserError("types", `${ticked(d.message)} (${d.code})`, {
    where: { file: d.file, line: d.line, column: d.column, scriptlet },
    details: d.details && ticked(d.details),
    hint: hintFor(d, catalogue),
  });
}

/** The compiler's own style made ours: lower case, no full stop, backticks round what it quotes. */
function ticked(text: string): string {
  const body = text.replace(/\. Do you need to [^\n]*/g, "").replace(/'((?:"[^"]*"|[^'])*)'/g, (_, inner: string) => `\`${inner}\``).replace(/\.$/gm, "");
  return body.charAt(0).toLowerCase() + body.slice(1);
}

function hintFor(d: Diagnostic, catalogue: Catalogue): string | undefined {
  const literal = /(?:Argument of type|Type) '"([^"]+)"' is not assignable/.exec(d.message)?.[1];
  if (literal !== undefined && /'Name'|"minbase"/.test(d.message)) {
    const near = nearest(literal, catalogue.keys());
    return near && `did you mean \`${near}\`?`;
  }
  if (/Cannot find name '(process|console|Buffer|require|setTimeout|fetch)'/.test(d.message)) {
    return "a scriptlet has the language and `debcast`, nothing of Node: what is to be done is done by the steps of run()";
  }
  return undefined;
}
