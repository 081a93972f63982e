// Relation fields (`Depends: a (>= 1) | b:any, c`): what they say, and whether a package meets them.
import { UserError } from "../errors.ts";
import { compareVersions } from "./version.ts";

export type Operator = "<<" | "<=" | "=" | ">=" | ">>";

export interface Alternative {
  readonly name: string;
  /** `any`, `native`, or an architecture. */
  readonly arch?: string;
  readonly op?: Operator;
  readonly version?: string;
}

/** What a relation can be met by: a package of an index, a lock, or a file. */
export interface Candidate {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly fields: { readonly "Multi-Arch"?: string; readonly Provides?: string };
}

const operators: Readonly<Record<string, Operator>> = { "<<": "<<", "<=": "<=", "<": "<=", "=": "=", ">": ">=", ">=": ">=", ">>": ">>" };
const relation = /^([a-z0-9A-Z][a-z0-9A-Z+.-]*)(?::([a-z0-9][a-z0-9-]*))?(?:\s*\(\s*(<<|<=|>=|>>|=|<|>)\s*([^\s()]+)\s*\))?$/;
const parsed = new Map<string, Alternative[][]>();

/** An AND of ORs. */
export function parseRelations(field: string): Alternative[][] {
  let result = parsed.get(field);
  if (result === undefined) {
    result = field.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => part.split("|").map(parseAlternative));
    parsed.set(field, result);
  }
  return result;
}

function parseAlternative(text: string): Alternative {
  const match = relation.exec(text.trim());
  if (!match) throw new UserError("relation.broken", `\`${text.trim()}\` is no relation between packages`);
  const [, name, arch, op, version] = match;
  return { name: name!, ...(arch && { arch }), ...(op && version && { op: operators[op]!, version }) };
}

/** `libfoo1:any (>= 1.2)` */
export function formatAlternative(a: Alternative): string {
  return `${a.name}${a.arch ? `:${a.arch}` : ""}${a.op ? ` (${a.op} ${a.version})` : ""}`;
}

/** Whether `candidate` meets `rel`, by itself or by what it provides, in an image of architecture `native`. */
export function satisfies(rel: Alternative, candidate: Candidate, native: string): boolean {
  return satisfiesByName(rel, candidate, native) || satisfiesByProvides(rel, candidate, native);
}

function satisfiesByName(rel: Alternative, c: Candidate, native: string): boolean {
  return rel.name === c.name && archMatches(rel, c, native) && versionMatches(rel, c.version);
}

/** A relation with a version is only met by a Provides with one. */
function satisfiesByProvides(rel: Alternative, c: Candidate, native: string): boolean {
  return provided(c).some((p) => p.name === rel.name && archMatches(rel, c, native) && (rel.op === undefined || versionMatches(rel, p.version)));
}

/** What `Provides` of a package lists. */
export function provided(c: Candidate): readonly Alternative[] {
  const field = c.fields.Provides;
  return field ? parseRelations(field).map((alternatives) => alternatives[0]!) : [];
}

export function versionMatches(rel: Alternative, version: string | undefined): boolean {
  if (rel.op === undefined) return true;
  if (version === undefined) return false;
  const order = compareVersions(version, rel.version!);
  switch (rel.op) {
    case "<<": return order < 0;
    case "<=": return order <= 0;
    case "=": return order === 0;
    case ">=": return order >= 0;
    case ">>": return order > 0;
  }
}

/** `:any` is met only by packages that allow it; `all` counts as the image's own architecture. */
function archMatches(rel: Alternative, c: Candidate, native: string): boolean {
  const arch = c.arch === "all" ? native : c.arch;
  if (rel.arch === "any") return c.fields["Multi-Arch"] === "allowed";
  if (rel.arch === undefined || rel.arch === "native") return arch === native || c.fields["Multi-Arch"] === "foreign";
  return arch === rel.arch;
}
