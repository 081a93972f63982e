// A comparison as text for people. Names come from anywhere: nothing in them reaches the terminal that it would obey.
import { formatBytes, formatCount, formatWhere } from "../format.ts";
import { printable } from "../store/ar.ts";
import { isEmpty, sum, type Change, type Comparison, type Difference, type PackageChange, type PathChange, type PathSum } from "./compare.ts";
import { signed, table } from "./table.ts";

export function comparisonText(c: Comparison): string {
  const parts = [packagesText(c.packages), filesText(c), totalText(c)];
  return parts.filter((p) => p.length > 0).map((p) => p.join("\n")).join("\n\n");
}

const marks: Readonly<Record<Change, string>> = { added: "+", removed: "-", changed: "~" };

function packagesText(packages: readonly PackageChange[]): string[] {
  if (packages.length === 0) return [];
  const rows = packages.map((p) => [
    `  ${marks[p.change]} ${printable(p.name)}`, printable([p.from, p.to].filter((v) => v !== undefined).join(" → ")), signed(p.installed),
    ...(p.files ? [signed(p.files.bytes), countText(p.files)] : []),
  ]);
  const head = ["", "", "installed", ...(packages[0]!.files ? ["in files", ""] : [])];
  return [`packages: ${countText(countOf(packages))}`, ...table([head, ...rows], "llrrl")];
}

function filesText({ packages, files }: Comparison): string[] {
  if (!files || files.length === 0) return [];
  const rows = folded(files).map((f) => [`  ${marks[f.change]} ${printable(f.path)}${f.within > 0 ? "/" : ""}`, differenceText(f), originText(f)]);
  const { bytes, ...counts } = sum(files);
  const which = packages.length > 0 ? "files that no changed package explains" : "files";
  return [`${which}: ${countText(counts)}, ${signed(bytes)}`, ...table(rows, "lll")];
}

/** A change that may stand for all those below it. */
interface Folded extends PathChange {
  readonly within: number;
}

/** From here on a list is less than its sum. */
const fewPaths = 3;

/** A directory that came or went whole is one line, unless steps made what is in it. */
function folded(files: readonly PathChange[]): Folded[] {
  const rows: Folded[] = [];
  for (let i = 0; i < files.length; ) {
    const first = files[i]!;
    let end = i + 1;
    while (files[end]?.path.startsWith(`${first.path}/`)) end++;
    const all = files.slice(i, end);
    const whole = first.change !== "changed" && all.length > fewPaths && all.every((f) => f.change === first.change && !f.made && f.package === first.package);
    rows.push(whole ? { ...first, within: all.length - 1, bytes: sum(all).bytes } : { ...first, within: 0 });
    i = whole ? end : i + 1;
  }
  return rows;
}

function totalText(c: Comparison): string[] {
  if (isEmpty(c)) return ["nothing differs"];
  if (c.bytes) return [`total: ${formatBytes(c.bytes.from)} → ${formatBytes(c.bytes.to)} (${signed(c.bytes.to - c.bytes.from)})`];
  const growth = c.packages.reduce((n, p) => n + p.installed, 0);
  return [`total: ${signed(growth)} by what the packages say of themselves; a lock knows no files`];
}

function differenceText(f: Folded): string {
  if (f.within > 0) return `${signed(f.bytes)} in ${formatCount(f.within, "path")}`;
  if (f.change !== "changed") return f.bytes === 0 ? "" : signed(f.bytes);
  return f.what.map((d) => oneText(d, f.bytes)).join(", ");
}

function oneText(d: Difference, bytes: number): string {
  if (d.aspect === "content") return `content${bytes === 0 ? "" : ` ${signed(bytes)}`}`;
  if (d.from === undefined && d.to === undefined) return d.aspect;
  return `${d.aspect} ${printable(d.from ?? "none")} → ${printable(d.to ?? "none")}`;
}

function originText(f: PathChange): string {
  if (f.made) return `${formatWhere(f.made.where)}: ${f.made.step}`;
  return f.package === undefined ? "" : `package ${printable(f.package)}`;
}

function countOf(packages: readonly PackageChange[]): Omit<PathSum, "bytes"> {
  const count = (change: Change) => packages.filter((p) => p.change === change).length;
  return { added: count("added"), removed: count("removed"), changed: count("changed") };
}

function countText(n: Omit<PathSum, "bytes">): string {
  const parts = (["added", "removed", "changed"] as const).filter((k) => n[k] > 0).map((k) => `${n[k]} ${k}`);
  return parts.length > 0 ? parts.join(", ") : formatCount(0, "path");
}
