// What a scriptlet or a conf may import, so that the bundler's list of inputs is the whole truth: `debcast`, files that lie
// beside it, and helpers of the project. Everything else is refused at the line of the import.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, sep } from "node:path";
import type { Loader, OnResolveArgs, OnResolveResult, Plugin } from "esbuild";
import { nearest } from "../errors.ts";
import { helperDir } from "./catalogue.ts";

/** Endings of files that are imported as text. */
export const textEndings = [
  ".pub", ".conf", ".cfg", ".ini", ".txt", ".service", ".socket", ".timer", ".target", ".mount", ".path", ".slice", ".network",
  ".netdev", ".link", ".rules", ".nft", ".sh", ".py", ".yaml", ".yml", ".toml", ".xml", ".html", ".css", ".asc", ".pem", ".crt",
  ".list", ".sources", ".preset", ".desktop", ".md",
] as const;

const codeEndings = [".ts", ".json"];

export interface ImportRules {
  /** The directory that base/ and conf/ lie in. */
  readonly root: string;
  /** Scriptlets by file, to say need() where one imports another. */
  readonly baseDirs: readonly string[];
}

/** A refusal, as esbuild carries it to the error. */
export interface Refusal {
  readonly code: string;
  readonly hint?: string;
}

/** `read` gives a file's contents; what it returns is what is bundled. */
export function importRules(rules: ImportRules, read: (file: string) => Uint8Array = readFileSync): Plugin {
  return {
    name: "debcast",
    setup(build) {
      build.onResolve({ filter: /.*/ }, (args) => resolveImport(args, rules));
      build.onLoad({ filter: /.*/ }, ({ path }) => ({ contents: read(path), loader: loaderOf(path) }));
    },
  };
}

function loaderOf(path: string): Loader {
  const ending = extname(path);
  return ending === ".ts" ? "ts" : ending === ".json" ? "json" : "text";
}

function resolveImport(args: OnResolveArgs, rules: ImportRules): OnResolveResult {
  if (args.kind === "entry-point") return { path: args.path };
  if (args.path === "debcast") return { path: "debcast", external: true };
  if (args.kind !== "import-statement") {
    return refuse(`\`${args.path}\` is loaded by ${args.kind}; only import statements are known before the work`, { code: "import.dynamic", hint: `import it at the top of the file` });
  }
  if (!/^\.\.?\//.test(args.path)) return refusePackage(args.path);
  const path = join(dirname(args.importer), args.path);
  return refusePlace(path, args, rules) ?? refuseFile(path, args.path) ?? { path };
}

function refusePackage(name: string): OnResolveResult {
  if (name.startsWith("node:") || ["fs", "path", "os", "child_process", "crypto", "process"].includes(name)) {
    return refuse(`\`${name}\` is not there: a scriptlet says what it wants and touches nothing itself`, {
      code: "import.node",
      hint: "in run(), the steps copy, write and read files, and inImage`…` and onHost`…` run commands",
    });
  }
  const near = nearest(name, ["debcast"]);
  return refuse(`\`${name}\` is no file: only \`debcast\` and files beside the scriptlet can be imported`, {
    code: "import.package",
    hint: near ? `import … from "${near}";` : `for a file beside it, write "./${name}"`,
  });
}

/** base/NAME.ts and its folder see that folder; conf/ sees conf/; all see the project's lib/. */
function refusePlace(path: string, args: OnResolveArgs, rules: ImportRules): OnResolveResult | undefined {
  const { root, baseDirs } = rules;
  const helpers = helperDir(root);
  if (helpers && inside(path, helpers)) return undefined;
  const own = homeOf(args.importer, rules);
  if (inside(path, own)) return undefined;
  const other = scriptletOf(path, baseDirs);
  if (other !== undefined) {
    return refuse(`\`${args.path}\` belongs to the scriptlet \`${other}\`, which is asked for and never imported`, {
      code: "import.scriptlet",
      hint: `const … = need("${other}");   // plans \`${other}\` before this one and returns its exports`,
    });
  }
  const places = [own, ...(helpers ? [helpers] : [])].map((p) => `\`${p.slice(root.length + 1)}/\``);
  return refuse(`\`${args.path}\` lies outside of ${places.join(" and ")}`, { code: "import.outside", hint: `move it to ${places.join(" or ")}` });
}

function refuseFile(path: string, asked: string): OnResolveResult | undefined {
  if (!existsSync(path)) {
    const near = codeEndings.find((ending) => existsSync(path + ending));
    return refuse(`there is no file \`${asked}\``, { code: "import.absent", ...(near && { hint: `import … from "${asked}${near}";` }) });
  }
  if (!statSync(path).isFile()) return refuse(`\`${asked}\` is no file`, { code: "import.absent" });
  const ending = extname(path);
  if (codeEndings.includes(ending) || textEndings.some((t) => t === ending)) return undefined;
  return refuse(`files that end in \`${ending}\` cannot be imported`, {
    code: "import.ending",
    hint: `text: ${textEndings.join(" ")}; data: .json; in run(), copy() takes any file`,
  });
}

/** The folder whose files an importer may see. */
function homeOf(importer: string, { root, baseDirs }: ImportRules): string {
  const owner = scriptletOf(importer, baseDirs);
  const base = baseDirs.find((b) => inside(importer, b));
  if (owner !== undefined && base) return join(base, owner);
  return inside(importer, root) ? join(root, importer.slice(root.length + 1).split(sep)[0]!) : dirname(importer);
}

function scriptletOf(path: string, baseDirs: readonly string[]): string | undefined {
  const base = baseDirs.find((b) => inside(path, b));
  const first = base && path.slice(base.length + 1).split(sep)[0];
  return first === undefined ? undefined : basename(first, ".ts");
}

function inside(path: string, dir: string): boolean {
  return path.startsWith(dir + sep);
}

function refuse(text: string, detail: Refusal): OnResolveResult {
  return { errors: [{ text, detail }] };
}
