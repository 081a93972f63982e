// The kinds of values that an image definition has, each with its check.
import { nearest } from "../errors.ts";
import type { Complaints } from "./confcheck.ts";
import { shown } from "./values.ts";

export function choice(key: string, v: unknown, { of, c }: { of: readonly string[]; c: Complaints }): unknown {
  if (typeof v === "string" && of.includes(v)) return v;
  if (v === undefined) return void c.wrong([], `the conf has no \`${key}\``, `${key}: ${JSON.stringify(of.at(key === "suite" ? 1 : 0))},`);
  const near = typeof v === "string" ? nearest(v, of) : undefined;
  c.wrong([key], `\`${key}\` is ${shown(v)}; expected ${ticked(of, "or")}`, near && `${key}: ${JSON.stringify(near)},`);
  return undefined;
}

export function flag(key: string, v: unknown, c: Complaints): unknown {
  if (v === undefined || typeof v === "boolean") return v;
  return void c.wrong([key], `\`${key}\` is ${shown(v)}; expected \`true\` or \`false\``);
}

export function matching(key: string, v: unknown, o: { match: RegExp; like: string; c: Complaints }): unknown {
  if (typeof v === "string" && o.match.test(v)) return v;
  return void o.c.wrong([key], `\`${key}\` is ${shown(v)}; expected something like ${o.like}`);
}

export function stringList(key: string, v: unknown, c: Complaints): string[] | undefined {
  if (!Array.isArray(v)) return void c.wrong([key], `\`${key}\` is ${shown(v)}; expected a list of texts`);
  const bad = v.find((one) => typeof one !== "string") as unknown;
  if (bad !== undefined) return void c.wrong([key], `\`${key}\` has ${shown(bad)} in it; expected texts`);
  return [...v] as string[];
}

export function ticked(words: readonly string[], last = "and"): string {
  const all = words.map((w) => `\`${w}\``);
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} ${last} ${all.at(-1)}`;
}
