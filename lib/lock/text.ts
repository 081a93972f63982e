// The lock as text. One paragraph per archive, pattern and package, one field per line, all sorted by code unit: so that a diff
// shows what changed, and two people's changes merge unless they touch the same package.
import { parseParagraph, splitParagraphs, type Paragraph } from "../deb/control.ts";
import { keptFields, keptOf, poolPath } from "../deb/kept.ts";
import { UserError, type Where } from "../errors.ts";
import type { Ledger, Lock, LockedArchive, LockedDeb } from "../lock.ts";

// ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function formatLock(lock: Lock): string {
  const paragraphs = [
    fields({ Lock: "1", Suite: lock.suite, Architecture: lock.arch }),
    ...formatLedger(lock.ledger),
    ...(lock.groups === undefined ? [] : [fields({ Groups: "1", Begin: lock.groups.join(" ") })]),
    ...sorted(lock.archives, (a) => a.name).map(formatArchive),
    ...sorted(lock.patterns, ([pattern]) => pattern).map(([pattern, name]) => fields({ Pattern: pattern, Is: name })),
    ...sorted(lock.debs, (d) => `${d.name} ${d.arch} ${d.version}`).map(formatDeb),
  ];
  return `${paragraphs.join("\n\n")}\n`;
}

function formatLedger(ledger: Ledger): string[] {
  const table = (ids: ReadonlyMap<string, number>) => folded(sorted(ids, ([name]) => name).map(([name, id]) => `${name} ${id}`));
  if (ledger.users.size === 0 && ledger.groups.size === 0) return [];
  return [fields({ Ids: "1", Users: table(ledger.users), Groups: table(ledger.groups) })];
}

function formatArchive(a: LockedArchive): string {
  return fields({
    Archive: a.name,
    Suite: a.suite,
    Components: a.components.join(" "),
    Date: new Date(a.date * 1000).toISOString().replace(".000Z", "Z"),
    Indexes: folded(sorted(a.indexes, (i) => i.path).map((i) => `${i.path} ${i.size} ${i.sha256}`)),
  });
}

function formatDeb(d: LockedDeb): string {
  return fields({
    Package: d.name,
    Version: d.version,
    Architecture: d.arch,
    Archive: d.archive,
    Filename: d.filename,
    Size: String(d.size),
    SHA256: d.sha256,
    Roles: d.roles.length === 1 && d.roles[0] === "image" ? undefined : [...d.roles].sort().join(" "),
    ...Object.fromEntries(keptFields.map((name) => [name, d.fields[name]?.replaceAll("\n", " ")])),
  });
}

function fields(record: Record<string, string | undefined>): string {
  return Object.entries(record)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => (value!.startsWith("\n") ? `${name}:${value}` : `${name}: ${value}`))
    .join("\n");
}

function folded(lines: readonly string[]): string {
  return lines.map((line) => `\n ${line}`).join("");
}

function sorted<T>(items: Iterable<T>, key: (item: T) => string): T[] {
  return [...items].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

// ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One paragraph, with what its errors need. */
interface Part {
  readonly p: Paragraph;
  readonly where: Where;
}

export function parseLock(text: string, file: string): Lock {
  refuseConflictMarkers(text, file);
  const parts = splitParagraphs(text).map(({ text: body, line }): Part => {
    const where = { file, line };
    return { where, p: parseParagraph(body, "the lock", where) };
  });
  const head = parts[0];
  if (!head || head.p.get("Lock") === undefined) throw damaged({ where: { file, line: 1 } }, "does not begin with `Lock: 1`");
  if (head.p.get("Lock") !== "1") throw new UserError("lock.version", `the lock is of version \`${head.p.get("Lock")}\`, which this debcast cannot read`, { where: head.where });
  const of = (kind: string) => parts.filter(({ p }) => p.fields[0]![0] === kind);
  const stray = parts.find(({ p }) => !kinds.includes(p.fields[0]![0]));
  if (stray) throw damaged(stray, `has a paragraph that begins with \`${stray.p.fields[0]![0]}\``);
  const archives = unique(of("Archive"), (part) => need(part, "Archive")).map(readArchive);
  const debs = of("Package").map(readDeb);
  for (const role of ["image", "tools"] as const) unique(of("Package").filter((_, i) => debs[i]!.roles.includes(role)), (part) => need(part, "Package"));
  const known = new Set(archives.map((a) => a.name));
  debs.forEach((d, i) => {
    if (!known.has(d.archive)) throw damaged(of("Package")[i]!, `has \`${d.name}\` from the archive \`${d.archive}\`, of which it knows nothing`);
  });
  return {
    suite: need(head, "Suite"),
    arch: need(head, "Architecture"),
    archives,
    debs,
    patterns: new Map(of("Pattern").map((part) => [need(part, "Pattern"), need(part, "Is")])),
    ledger: readLedger(of("Ids")),
    groups: of("Groups")[0]?.p.get("Begin")?.split(/\s+/) ?? (of("Groups").length > 0 ? [] : undefined),
  };
}

const kinds = ["Lock", "Ids", "Groups", "Archive", "Pattern", "Package"];

function refuseConflictMarkers(text: string, file: string): void {
  const line = text.split("\n").findIndex((l) => /^(<{7}|={7}|>{7}|\|{7})( |$)/.test(l));
  if (line < 0) return;
  throw new UserError("lock.conflict", "the lock has a merge that was left undone", {
    where: { file, line: line + 1 },
    hint: "take either side of it (`git checkout --ours` or `--theirs`), then `debcast lock` adds what the other one had",
  });
}

function damaged({ where }: { where: Where }, why: string): UserError {
  return new UserError("lock.damaged", `the lock ${why}`, { where, hint: "take it from version control again, or remove it and run `debcast lock`" });
}

function unique(parts: readonly Part[], key: (part: Part) => string): readonly Part[] {
  const seen = new Map<string, Part>();
  for (const part of parts) {
    const first = seen.get(key(part));
    if (first) throw damaged(part, `has \`${key(part)}\` twice, first on line ${first.where.line}`);
    seen.set(key(part), part);
  }
  return parts;
}

function need(part: Part, name: string, shape: RegExp = /^\S/): string {
  const value = part.p.get(name);
  const subject = `\`${part.p.fields[0]!.join(": ")}\``;
  if (value === undefined || value === "") throw damaged(part, `lacks the field \`${name}\` in ${subject}`);
  if (!shape.test(value)) throw damaged(part, `has a ${name} that cannot be right in ${subject}: \`${value.slice(0, 80)}\``);
  return value;
}

function readArchive(part: Part): LockedArchive {
  const lines = (part.p.get("Indexes") ?? "").split("\n").filter((l) => l !== "");
  const date = Date.parse(need(part, "Date", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/));
  if (Number.isNaN(date)) throw damaged(part, `has a Date that is none: \`${part.p.get("Date")}\``);
  return {
    name: need(part, "Archive"),
    suite: need(part, "Suite"),
    components: need(part, "Components").split(/\s+/),
    date: date / 1000,
    indexes: lines.map((line) => {
      const match = /^([\w.+-]+(?:\/[\w.+-]+)*) (\d+) ([0-9a-f]{64})$/.exec(line);
      if (!match) throw damaged(part, `has an index that cannot be right: \`${line}\``);
      return { path: match[1]!, size: Number(match[2]), sha256: match[3]! };
    }),
  };
}

function readDeb(part: Part): LockedDeb {
  const roles = (part.p.get("Roles") ?? "image").split(/\s+/);
  if (roles.some((r) => r !== "image" && r !== "tools")) throw damaged(part, `has a role that is none: \`${roles.join(" ")}\``);
  return {
    name: need(part, "Package", /^[a-z0-9][a-z0-9+.-]*$/),
    version: need(part, "Version", /^[0-9A-Za-z.+~:-]+$/),
    arch: need(part, "Architecture", /^[a-z0-9-]+$/),
    archive: need(part, "Archive"),
    filename: need(part, "Filename", poolPath),
    size: Number(need(part, "Size", /^\d{1,15}$/)),
    sha256: need(part, "SHA256", /^[0-9a-f]{64}$/),
    fields: keptOf(part.p),
    roles: roles as LockedDeb["roles"],
  };
}

function readLedger(parts: readonly Part[]): Ledger {
  if (parts.length > 1) throw damaged(parts[1]!, "has two paragraphs of ids");
  const table = (name: string) => {
    const ids = new Map<string, number>();
    for (const line of (parts[0]?.p.get(name) ?? "").split("\n").filter((l) => l !== "")) {
      const match = /^([^\s:]+) (\d{1,10})$/.exec(line);
      if (!match) throw damaged(parts[0]!, `has an id that cannot be right: \`${line}\``);
      ids.set(match[1]!, Number(match[2]));
    }
    return ids;
  };
  return { users: table("Users"), groups: table("Groups") };
}
