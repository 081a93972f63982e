// The opaque values that scriptlets pass around: secrets, texts that hold secrets, downloads and .debs of their own. What is in
// them is read by the steps alone; a scriptlet that tries to make a string of a secret is stopped.
import { inspect } from "node:util";
import { UserError } from "../errors.ts";
import type { BuiltControl } from "./plan.ts";

/** A piece of a file: text, or the name of a secret. */
export type ContentPart = string | { readonly secret: string };

export class SecretValue {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    Object.freeze(this);
  }

  static nameOf(v: SecretValue): string {
    return v.#name;
  }

  toString(): never {
    throw new UserError("secret.string", `the secret \`${this.#name}\` was made a string`, {
      hint: "give it whole to write(), append(), unit(), a password, env or stdin; lines`…${secret}…` puts it into a text",
    });
  }

  toJSON(): never {
    return this.toString();
  }

  valueOf(): never {
    return this.toString();
  }

  [Symbol.toPrimitive](): never {
    return this.toString();
  }

  [inspect.custom](): string {
    return `[secret ${this.#name}]`;
  }
}

export class TextValue {
  readonly #parts: readonly ContentPart[];

  constructor(parts: readonly ContentPart[]) {
    this.#parts = parts;
    Object.freeze(this);
  }

  static partsOf(v: TextValue): readonly ContentPart[] {
    return v.#parts;
  }

  /** Only a text without secrets is a string. */
  toString(): string {
    return this.#parts.map((p) => (typeof p === "string" ? p : new SecretValue(p.secret).toString())).join("");
  }
}

export class DownloadValue {
  readonly url: string;
  readonly sha256: string;

  constructor(url: string, sha256: string) {
    this.url = url;
    this.sha256 = sha256;
    Object.freeze(this);
  }
}

export class LocalDebValue {
  /** Absolute. */
  readonly dir: string;
  readonly control: BuiltControl;

  constructor(dir: string, control: BuiltControl) {
    this.dir = dir;
    this.control = control;
    Object.freeze(this);
  }
}

// ── For the steps ──────────────────────────────────────────────────────────────────────────────────────────────────

/** What write(), append(), stdin and the like were given, in pieces; undefined when it is nothing of the sort. */
export function contentParts(content: unknown): readonly ContentPart[] | undefined {
  if (typeof content === "string") return [content];
  if (content instanceof TextValue) return TextValue.partsOf(content);
  const secret = secretName(content);
  return secret === undefined ? undefined : [{ secret }];
}

/** The name of a secret; undefined when `value` is none. */
export function secretName(value: unknown): string | undefined {
  return value instanceof SecretValue ? SecretValue.nameOf(value) : undefined;
}

export function downloadOf(value: unknown): { readonly url: string; readonly sha256: string } | undefined {
  return value instanceof DownloadValue ? value : undefined;
}

export function localDebOf(value: unknown): { readonly dir: string; readonly control: BuiltControl } | undefined {
  return value instanceof LocalDebValue ? value : undefined;
}

// ── lines`…` ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A text of several lines. The line break after the opening backtick, the indentation that all lines share and that of the
 * closing backtick go, so the text ends with a line break. Values go in as they are. On a single line nothing goes.
 */
export function lines(strings: readonly string[], ...values: readonly unknown[]): TextValue {
  const parts: ContentPart[] = [];
  const add = (p: ContentPart) => {
    const last = parts.length - 1;
    if (typeof p === "string" && typeof parts[last] === "string") parts[last] += p;
    else if (p !== "") parts.push(p);
  };
  dedent(strings).forEach((text, i) => {
    add(text);
    if (i < values.length) for (const p of valueParts(values[i], i)) add(p);
  });
  return new TextValue(parts);
}

function valueParts(value: unknown, i: number): readonly ContentPart[] {
  if (typeof value === "number") return [String(value)];
  const parts = contentParts(value);
  if (parts) return parts;
  throw new UserError("lines.value", `value ${i + 1} of lines\`…\` is ${kindOf(value)}; it takes text, numbers and secrets`);
}

function dedent(strings: readonly string[]): readonly string[] {
  if (!/^[ \t]*\n/.test(strings[0] ?? "")) return strings;
  // A value stands for itself in the middle of a line, so that the indentation before it counts and a line of it alone is not blank.
  const whole = strings.join("\0").replace(/^[ \t]*\n/, "").replace(/(^|\n)[ \t]*$/, "$1");
  const indents = [...whole.matchAll(/^([ \t]*)[^\s]/gm)].map((m) => m[1]!.length);
  const common = indents.length === 0 ? 0 : Math.min(...indents);
  return whole.replace(new RegExp(`^[ \\t]{1,${Math.max(1, common)}}`, "gm"), (m) => (common === 0 ? m : "")).split("\0");
}

/** What a value is, in an error: `a number`, `undefined`, `a list`. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list";
  if (value instanceof SecretValue) return "a secret";
  const kind = typeof value;
  return kind === "object" ? "an object" : kind === "string" ? "text" : `a ${kind}`;
}

/** A value in an error: itself if it is plain, or a short list of what is; else what it is. */
export function shown(value: unknown): string {
  const plain = (v: unknown) => typeof v === "string" || typeof v === "number" || typeof v === "boolean";
  const text = plain(value) || (Array.isArray(value) && value.every(plain)) ? JSON.stringify(value) : "";
  return text !== "" && (plain(value) || text.length < 60) ? `\`${text}\`` : kindOf(value);
}

export function plainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
