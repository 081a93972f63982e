// What ran in the last build and what it said: one file per package, scriptlet and stage in out/NAME.log/.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, appendFileSync } from "node:fs";
import { join } from "node:path";
import { UserError, nearest } from "./errors.ts";
import type { Project } from "./project.ts";

export type LogKind = "package" | "scriptlet" | "stage";

export interface BuildLog {
  readonly dir: string;
  write(kind: LogKind, name: string, text: string): void;
}

/** Begins the log of a new build; what the last one left is gone. Secrets never reach the files. `echo` is for --verbose. */
export function openBuildLog(project: Project, image: string, o: { mask: (text: string) => string; echo?: (text: string) => void }): BuildLog {
  const dir = logDir(project, image);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return {
    dir,
    write: (kind, name, text) => {
      if (text === "") return;
      appendFileSync(join(dir, `${kind}-${name.replace(":", ".")}.log`), o.mask(text));
      o.echo?.(o.mask(text).trimEnd());
    },
  };
}

/** What `name` (a package, scriptlet or stage) said in the last build of `image`. */
export function readBuildLog(project: Project, image: string, name: string): string {
  const dir = logDir(project, image);
  if (!existsSync(dir)) throw new UserError("log.none", `\`${image}\` has not been built yet, so there is no log`, { hint: "debcast image" });
  const names = loggedNames(project, image);
  const files = (["scriptlet", "package", "stage"] as const)
    .map((kind) => join(dir, `${kind}-${name.replace(":", ".")}.log`))
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
