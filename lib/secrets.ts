// Values that must be in the image and nowhere else: from secrets/NAME or the environment, masked in all that is shown or kept.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError, type Where } from "./errors.ts";
import type { Project } from "./project.ts";

export interface Secrets {
  /** The value; throws when it was not given. */
  get(name: string): string;
  /** Replaces every value of `names` that were asked for, in any form that a log could hold, by `***`. */
  mask(text: string): string;
  /** One error for each secret that was not given, with who asks for it first. */
  missing(asked: readonly { readonly name: string; readonly where: Where }[]): UserError[];
}

export function openSecrets(project: Pick<Project, "secretsDir">, env: NodeJS.ProcessEnv): Secrets {
  const known = new Map<string, string | undefined>();
  const lookUp = (name: string) => {
    if (!known.has(name)) known.set(name, env[variableOf(name)] ?? readSecret(join(project.secretsDir, name)));
    return known.get(name);
  };
  return {
    get: (name) => {
      const value = lookUp(name);
      if (value === undefined) throw notGiven(name);
      return value;
    },
    mask: (text) => {
      for (const form of formsOf([...known.values()])) text = text.replaceAll(form, "***");
      return text;
    },
    missing: (asked) => asked.filter((a, i) => lookUp(a.name) === undefined && asked.findIndex((b) => b.name === a.name) === i).map((a) => notGiven(a.name, a.where)),
  };
}

/** `wg-acme` → `DEBCAST_SECRET_WG_ACME`. */
function variableOf(name: string): string {
  return `DEBCAST_SECRET_${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
}

/** A file's last line break is the editor's and not the secret's. */
function readSecret(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8").replace(/\r?\n$/, "") : undefined;
}

function notGiven(name: string, where?: Where): UserError {
  return new UserError("secret.missing", `the secret \`${name}\` is not given`, {
    where,
    hint: `write it into secrets/${name} (git ignores that directory), or set ${variableOf(name)}`,
  });
}

/** What to look for, longest first: whole values, their longer lines, and both in base64. Very short values would mask everything. */
function formsOf(values: readonly (string | undefined)[]): string[] {
  const plain = values.flatMap((v) => (v === undefined ? [] : [v, ...v.split("\n").filter((line) => line.length >= 8)]));
  const all = plain.filter((v) => v.length >= 4).flatMap((v) => [v, Buffer.from(v).toString("base64").replace(/=+$/, "")]);
  return [...new Set(all)].sort((a, b) => b.length - a.length);
}
