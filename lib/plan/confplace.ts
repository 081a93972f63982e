// Where in the source of a conf something is said. Values keep no positions, so the source is searched: a hint, not a proof.
import { existsSync, readFileSync } from "node:fs";
import type { Where } from "../errors.ts";

/** What is enough of a conf to search it. */
export interface ConfSources {
  readonly file: string;
  /** Everything that it imports, itself included. */
  readonly inputs?: readonly string[] | undefined;
}

/**
 * The line of a key or quoted word below others (`["options", "ssh", "port"]`): each is looked for after the one before. What is
 * not found falls back to its parent, in the end to the file.
 */
export function confPlace(conf: ConfSources, path: readonly string[]): Where {
  for (let depth = path.length; depth > 0; depth--) {
    for (const file of sources(conf)) {
      const found = search(readFileSync(file, "utf8"), path.slice(0, depth));
      if (found) return { file, ...found };
    }
  }
  return { file: conf.file };
}

function sources(conf: ConfSources): string[] {
  const others = (conf.inputs ?? []).filter((f) => f.endsWith(".ts") && f !== conf.file);
  return [conf.file, ...others].filter((f) => existsSync(f));
}

function search(text: string, path: readonly string[]): { line: number; column: number } | undefined {
  const code = blankComments(text);
  let from = 0;
  let at = -1;
  for (const word of path) {
    const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const key = new RegExp(`(?<![\\w$.-])(?:${escaped}(?=\\s*[:,}])|["'\`]${escaped}["'\`])`, "g");
    key.lastIndex = from;
    const m = key.exec(code);
    if (!m) return undefined;
    at = m.index;
    from = key.lastIndex;
  }
  const before = text.slice(0, at);
  return { line: before.split("\n").length, column: at - before.lastIndexOf("\n") };
}

/** Comments as blanks of the same length; `//` inside of quotes, as of a URL, is none. */
function blankComments(text: string): string {
  return text.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\/\/[^\n]*|\/\*[^]*?\*\//g, (m) => (m.startsWith("/") ? m.replace(/[^\n]/g, " ") : m));
}
