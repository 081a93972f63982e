// What ran in the last build and what it said: one file per package, scriptlet and stage in out/NAME.log/.
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError, nearest } from "./errors.ts";
import type { Project } from "./project.ts";

export type LogKind = "package" | "scriptlet" | "stage";

/** What somebody said, as it was written. */
export interface Said {
  readonly kind: LogKind;
  readonly name: string;
  readonly text: string;
}

export interface BuildLog {
  readonly dir: string;
  write(kind: LogKind, name: string, text: string): void;
  /** All that was said since this was last asked: it is kept with the layer that came of it. */
  take(): Said[];
  /** What was said when a layer was made that is now reused. */
  replay(said: readonly Said[]): void;
  /** Removes what nobody said who is in this build. */
  end(): void;
}

/** The log of a new build. Secrets never reach the files. `echo` is for --verbose. */
export function openBuildLog(project: Project, image: string, o: { mask: (text: string) => string; echo?: (text: string) => void }): BuildLog {
  const dir = logDir(project, image);
  mkdirSync(dir, { recursive: true });
  const begun = new Set<string>();
  let said: Said[] = [];
  const put = (file: string, text: string) => {
    if (begun.has(file)) appendFileSync(join(dir, file), text);
    else writeFileSync(join(dir, file), text);
    begun.add(file);
  };
  return {
    dir,
    write: (kind, name, plain) => {
      if (plain === "") return;
      const text = o.mask(plain);
      said.push({ kind, name, text });
      put(fileOf(kind, name), text);
      o.echo?.(text.trimEnd());
    },
    take: () => {
      const taken = said;
      said = [];
      return taken;
    },
    replay: (old) => {
      const texts = new Map<string, string>();
      for (const s of old) texts.set(fileOf(s.kind, s.name), (texts.get(fileOf(s.kind, s.name)) ?? "") + s.text);
      for (const [file, text] of texts) {
        // Nearly always it lies there already.
        if (!begun.has(file) && statSync(join(dir, file), { throwIfNoEntry: false })?.size === Buffer.byteLength(text)) begun.add(file);
        else put(file, text);
      }
    },
    end: () => {
      for (const file of readdirSync(dir)) if (!begun.has(file)) rmSync(join(dir, file), { force: true });
    },
  };
}

function fileOf(kind: LogKind, name: string): string {
  return `${kind}-${name.replace(":", ".")}.log`;
}

/** What `name` (a package, scriptlet or stage) said in the last build of `image`. */
export function readBuildLog(project: Project, image: string, name: string): string {
  const dir = logDir(project, image);
  if (!existsSync(dir)) throw new UserError("log.none", `\`${image}\` has not been built yet, so there is no log`, { hint: "debcast image" });
  const names = loggedNames(project, image);
  const files = (["scriptlet", "package", "stage"] as const)
    .map((kind) => join(dir, fileOf(kind, name)))
    .filter((f) => existsSync(f));
  if (files.length > 0) return files.map((f) => readFileSync(f, "utf8")).join("");
  const near = nearest(name, names);
  throw new UserError("log.unknown", `\`${name}\` said nothing in the last build of \`${image}\``, {
    hint: near ? `did you mean \`debcast log ${near}\`?` : "`debcast log` lists what did",
  });
}

/** Everything that said something in the last build. */
export function loggedNames(project: Project, image: string): string[] {
  const dir = logDir(project, image);
  if (!existsSync(dir)) return [];
  return readdirSync(dir).map((f) => f.replace(/^(package|scriptlet|stage)-/, "").replace(/\.log$/, "")).sort();
}

function logDir(project: Project, image: string): string {
  return join(project.outDir, `${image}.log`);
}
