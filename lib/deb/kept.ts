// What of a package's stanza is kept beyond its identity.
import type { Paragraph } from "./control.ts";

/** Fields of the index that checks, unpacking and reports need, verbatim. */
export const keptFields = [
  "Source", "Essential", "Priority", "Section", "Installed-Size", "Multi-Arch", "Provides", "Depends", "Pre-Depends",
  "Conflicts", "Breaks", "Replaces",
] as const;
export type KeptField = (typeof keptFields)[number];
export type KeptFields = Readonly<Partial<Record<KeptField, string>>>;

/** Those of a paragraph, each on one line. */
export function keptOf(p: Paragraph): KeptFields {
  const kept: Partial<Record<KeptField, string>> = {};
  for (const name of keptFields) {
    const value = p.get(name);
    if (value) kept[name] = value.replaceAll("\n", " ");
  }
  return kept;
}

/** A relative path without `..`, as a pool has it. */
export const poolPath = /^(?!(?:.*\/)?\.\.(?:\/|$))[^\s/]+(?:\/[^\s/]+)*$/;
