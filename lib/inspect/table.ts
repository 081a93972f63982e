// Rows as columns, figures to the right.
import { formatBytes } from "../format.ts";

/** One long path must not push all others' columns off the screen. */
const widest = 64;

/** `sides` has a letter per column: `l` or `r`. What a terminal would obey must be gone from the cells. */
export function table(rows: readonly (readonly string[])[], sides: string): string[] {
  const widths = [...sides].map((_, i) => rows.reduce((w, r) => Math.max(w, widthOf(r[i])), 0));
  return rows.map((row) => row.map((cell, i) => (sides[i] === "r" ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("  ").trimEnd());
}

/** `+1.2 MB`, `−3 B`, `0 B`. */
export function signed(bytes: number): string {
  return bytes === 0 ? formatBytes(0) : `${bytes < 0 ? "−" : "+"}${formatBytes(Math.abs(bytes))}`;
}

function widthOf(cell = ""): number {
  return cell.length <= widest ? cell.length : 0;
}
