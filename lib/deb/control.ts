// The one door to deb822 paragraphs: index stanzas, locks, control files of .debs, Release files.
//
// `debian-control` does the parsing; it drops or merges without a word what it does not expect (CR, duplicate fields, a second
// paragraph, `__proto__`, comments), so everything of that kind is refused before it sees the text.
import control from "debian-control";
import { UserError, type Where } from "../errors.ts";

export interface Paragraph {
  /** Value of a field, whatever the case of its name. Folded values have their lines joined by \n, without indentation. */
  get(name: string): string | undefined;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** A paragraph of text, and the line of the file on which it begins (from 1). */
export interface RawParagraph {
  readonly text: string;
  readonly line: number;
}

/** Parses one paragraph. `what` says in errors what it is: "the control file of `x.deb`"; `where` is where it begins. */
export function parseParagraph(text: string, what: string, where?: Where): Paragraph {
  const body = text.replace(/^\n+|\s+$/g, "");
  if (body === "") throw broken(what, "is empty", where, 0);
  const names = fieldNames(body, what, where);
  const parsed = control.parse(body);
  const fields = names.map((name) => [name, flat(parsed[name])] as const);
  const byName = new Map(fields.map(([name, value]) => [name.toLowerCase(), value]));
  return { get: (name) => byName.get(name.toLowerCase()), fields };
}

/** Cuts a text into its paragraphs at blank lines. */
export function splitParagraphs(text: string): RawParagraph[] {
  const found: RawParagraph[] = [];
  let current: string[] = [];
  const end = (line: number) => {
    if (current.length > 0) found.push({ text: current.join("\n"), line: line - current.length });
    current = [];
  };
  const lines = text.split("\n");
  lines.forEach((line, i) => (line.trim() === "" ? end(i + 1) : current.push(line)));
  end(lines.length + 1);
  return found;
}

/** Names of the fields in order, after every line has been found good. */
function fieldNames(body: string, what: string, where: Where | undefined): string[] {
  const names = new Map<string, string>();
  const lines = body.split("\n");
  for (const [i, line] of lines.entries()) {
    const why = wrongLine(line, names);
    if (why !== undefined) throw broken(what, why, where, i);
    if (line[0] === " " || line[0] === "\t") continue;
    const name = line.slice(0, line.indexOf(":"));
    names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}

function wrongLine(line: string, before: ReadonlyMap<string, string>): string | undefined {
  if (line.includes("\r")) return "has a carriage return";
  if (line.includes("\0")) return "has a NUL byte";
  if (line.trim() === "") return "has a blank line, and only one paragraph is expected";
  if (line[0] === " " || line[0] === "\t") return before.size === 0 ? "begins with a continuation line" : undefined;
  const name = /^([!-9;-~]+):/.exec(line)?.[1];
  if (name === undefined) return `has a line that is no field: \`${line.slice(0, 60)}\``;
  if (name[0] === "#" || name[0] === "-" || name === "__proto__") return `has a field with the name \`${name}\``;
  return before.has(name.toLowerCase()) ? `has the field \`${name}\` twice` : undefined;
}

function broken(what: string, why: string, where: Where | undefined, offset: number): UserError {
  const at = where && { ...where, line: (where.line ?? 1) + offset };
  return new UserError("control.broken", `${what} ${why}`, { where: at });
}

function flat(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value.join("\n") : (value ?? "")).trim();
}
