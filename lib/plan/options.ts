// What a conf may set for a scriptlet: the fields of defineOptions, and the check of what the conf set.
import { types } from "node:util";
import { UserError, nearest, throwAll, type Where } from "../errors.ts";
import type { Conf } from "./plan.ts";
import { confPlace } from "./confplace.ts";
import { kindOf, shown } from "./values.ts";

/** A field of a schema. `check` says what was expected when a value will not do. */
export class FieldValue {
  readonly optional: boolean;
  readonly expected: string;
  readonly check: (value: unknown) => boolean;
  readonly example: string;

  constructor(o: { expected: string; example: string; optional?: boolean; check: (value: unknown) => boolean }) {
    this.expected = o.expected;
    this.example = o.example;
    this.optional = o.optional ?? false;
    this.check = o.check;
    Object.freeze(this);
  }
}

export function text(o: { match?: RegExp } = {}): FieldValue {
  const match = types.isRegExp(o.match) ? new RegExp(o.match.source, o.match.flags.replace(/[gy]/g, "")) : undefined;
  return new FieldValue({
    expected: match ? `text that matches \`${match}\`` : "text",
    example: '"…"',
    check: (v) => typeof v === "string" && (match?.test(v) ?? true),
  });
}

export function int(o: { min?: number; max?: number } = {}): FieldValue {
  const { min, max } = o;
  const range = min !== undefined && max !== undefined ? ` from ${min} to ${max}` : min !== undefined ? ` of at least ${min}` : max !== undefined ? ` of at most ${max}` : "";
  return new FieldValue({
    expected: `a whole number${range}`,
    example: String(min ?? 1),
    check: (v) => Number.isInteger(v) && (v as number) >= (min ?? -Infinity) && (v as number) <= (max ?? Infinity),
  });
}

export function oneOf(...values: readonly (string | number)[]): FieldValue {
  const shown = values.map((v) => `\`${JSON.stringify(v)}\``);
  const list = shown.length > 1 ? `${shown.slice(0, -1).join(", ")} or ${shown.at(-1)}` : shown.join("");
  return new FieldValue({ expected: list, example: JSON.stringify(values[0] ?? ""), check: (v) => values.includes(v as string) });
}

export function listOf(field: FieldValue): FieldValue {
  return new FieldValue({
    expected: `a list, each of it ${field.expected}`,
    example: `[${field.example}]`,
    check: (v) => Array.isArray(v) && v.every((one) => field.check(one)),
  });
}

export function optional(field: FieldValue): FieldValue {
  return new FieldValue({ expected: field.expected, example: field.example, optional: true, check: (v) => v === undefined || field.check(v) });
}

/** The values of one scriptlet's options in `conf`. All that is wrong with them is thrown at once. */
export function readOptions(schema: Readonly<Record<string, unknown>>, o: { scriptlet: string; conf: Conf; where: Where }): object {
  const given = o.conf.options[o.scriptlet] ?? {};
  const found: UserError[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(schema)) {
    const { value, mistake } = readOne({ key, entry, value: given[key] }, o);
    values[key] = value;
    if (mistake) found.push(mistake);
  }
  for (const key of Object.keys(given)) if (!(key in schema)) found.push(unknownOption(key, Object.keys(schema), o));
  throwAll(found);
  return Object.freeze(values);
}

interface At {
  readonly scriptlet: string;
  readonly conf: Conf;
  readonly where: Where;
}

function readOne({ key, entry, value }: { key: string; entry: unknown; value: unknown }, o: At): { value?: unknown; mistake?: UserError } {
  const field = entry instanceof FieldValue ? entry : defaultField(entry);
  if (!field) {
    return { mistake: new UserError("option.schema", `option \`${key}\` is declared as ${kindOf(entry)}; it takes text(), int(), oneOf(), listOf(), optional() or a default`, { where: o.where }) };
  }
  if (value === undefined && !(entry instanceof FieldValue)) return { value: entry };
  if (value === undefined && !field.optional) return { mistake: missingOption(key, field, o) };
  return field.check(value) ? { value } : { mistake: wrongOption({ key, value, expected: field.expected }, o) };
}

/** A plain value is a default, and gives the type. */
function defaultField(entry: unknown): FieldValue | undefined {
  const kind = typeof entry;
  if (kind !== "string" && kind !== "number" && kind !== "boolean") return undefined;
  const expected = { string: "text", number: "a number", boolean: "`true` or `false`" }[kind];
  return new FieldValue({ expected, example: JSON.stringify(entry), check: (v) => typeof v === kind });
}

function missingOption(key: string, field: FieldValue, o: At): UserError {
  return new UserError("option.missing", `the scriptlet \`${o.scriptlet}\` needs its option \`${key}\`, which conf \`${o.conf.name}\` does not set: ${field.expected}`, {
    where: confPlace(o.conf, ["options", o.scriptlet]),
    hint: `options: { ${quoteKey(o.scriptlet)}: { ${quoteKey(key)}: ${field.example} } },`,
  });
}

function wrongOption({ key, value, expected }: { key: string; value: unknown; expected: string }, o: At): UserError {
  return new UserError("option.value", `option \`${key}\` of the scriptlet \`${o.scriptlet}\` is ${shown(value)}; expected ${expected}`, {
    where: confPlace(o.conf, ["options", o.scriptlet, key]),
  });
}

function unknownOption(key: string, known: readonly string[], o: At): UserError {
  const near = nearest(key, known);
  return new UserError("option.unknown", `the scriptlet \`${o.scriptlet}\` has no option \`${key}\``, {
    where: confPlace(o.conf, ["options", o.scriptlet, key]),
    hint: near ? `did you mean \`${near}\`?` : `it has ${known.map((k) => `\`${k}\``).join(", ")}`,
  });
}

/** Options that no planned scriptlet asked for. */
export function unusedOptions(conf: Conf, planned: ReadonlyMap<string, { readonly options: boolean }>): UserError[] {
  return Object.keys(conf.options).filter((name) => !planned.get(name)?.options).map((name) => {
    const where = confPlace(conf, ["options", name]);
    if (planned.has(name)) return new UserError("option.none", `the scriptlet \`${name}\` has no options`, { where, hint: `take \`${name}\` out of \`options\`` });
    const near = nearest(name, planned.keys());
    return new UserError("option.unplanned", `\`options\` sets \`${name}\`, which is no scriptlet of this image`, {
      where,
      hint: near ? `did you mean \`${near}\`?` : `add \`${name}\` to \`scriptlets\`, or take it out of \`options\``,
    });
  });
}

function quoteKey(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
}
