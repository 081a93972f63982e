// What differs between two locks, for people.
import type { Change } from "./plan/resolve.ts";
import { formatBytes } from "./format.ts";

/** A line per package: added, removed, or moved from one version to another, with what it costs. */
export function describeChanges(changes: readonly Change[]): string {
  const width = Math.max(...changes.map((c) => c.name.length));
  const rows = changes.map((c) => `${c.name.padEnd(width)}  ${describe(c)}`);
  const delta = changes.reduce((sum, c) => sum + (c.sizeDelta ?? 0), 0);
  return `${rows.join("\n")}\n${changes.length} changed${delta === 0 ? "" : `, ${delta < 0 ? "−" : "+"}${formatBytes(Math.abs(delta))} of packages`}`;
}

function describe(c: Change): string {
  if (c.from === undefined) return `added    ${c.to}`;
  if (c.to === undefined) return `removed  ${c.from}`;
  return `${c.from} → ${c.to}`;
}
