// Sizes as tables for people.
import { formatBytes, formatCount, formatWhere } from "../format.ts";
import { printable } from "../store/ar.ts";
import { total, type FileSize, type Sizes } from "./size.ts";
import { table } from "./table.ts";

/** `top` says how long the tables of packages and files may be. */
export function sizesText(s: Sizes, o: { name: string; top: number }): string {
  const head = `${printable(o.name)}: ${formatBytes(s.bytes)} in ${formatCount(s.files, "file")}`;
  return [head, ...[scriptletsText(s), packagesText(s, o.top), largestText(s, o.top)].map((lines) => lines.join("\n"))].join("\n\n");
}

/** Paths named in the row of what nobody owns. */
const namedPaths = 6;

function scriptletsText(s: Sizes): string[] {
  const rows = s.scriptlets.filter((r) => r.bytes > 0).map((r) => [`  ${printable(r.name)}`, ...amount(r.bytes, s), count(r.packages), r.stepBytes > 0 ? formatBytes(r.stepBytes) : ""]);
  if (s.unplanned > 0) rows.push(["  (no scriptlet asks)", ...amount(s.unplanned, s), count(s.packages.filter((p) => p.scriptlet === undefined).length), ""]);
  rows.push(["  (made by programs)", ...amount(s.nobody.bytes, s), "", ""]);
  const paths = s.nobody.paths.slice(0, namedPaths).filter((p) => p.bytes > 0).map((p) => [`    ${printable(p.path)}`, formatBytes(p.bytes), "", "", ""]);
  return table([["by scriptlet", "", "", "packages", "by steps"], ...rows, ...paths], "lrrrr");
}

function packagesText(s: Sizes, top: number): string[] {
  const shown = s.packages.slice(0, top);
  const rows = shown.map((p) => [`  ${printable(p.name)}`, ...amount(p.bytes, s), count(p.files), printable(p.scriptlet ?? "")]);
  const rest = s.packages.slice(top);
  if (rest.length > 0) rows.push([`  (${rest.length} more)`, ...amount(total(rest), s), count(rest.reduce((n, p) => n + p.files, 0)), ""]);
  return table([["by package", "", "", "files", "scriptlet"], ...rows], "lrrrl");
}

function largestText(s: Sizes, top: number): string[] {
  const rows = s.largest.slice(0, top).filter((f) => f.bytes > 0).map((f) => [`  ${printable(f.path)}`, ...amount(f.bytes, s), originText(f)]);
  return table([["largest files", "", "", ""], ...rows], "lrrl");
}

function originText(f: FileSize): string {
  if (f.package !== undefined) return `package ${printable(f.package)}`;
  return f.made ? `${formatWhere(f.made.where)}: ${f.made.step}` : "";
}

function amount(bytes: number, s: Sizes): [string, string] {
  return [formatBytes(bytes), `${(s.bytes === 0 ? 0 : (bytes / s.bytes) * 100).toFixed(1)} %`];
}

function count(n: number): string {
  return n === 0 ? "" : String(n);
}
