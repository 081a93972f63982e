// A Release file whose signature has been verified: which suite it is, until when it counts, and the hashes of its indexes.
import { UserError } from "../errors.ts";
import { parseParagraph } from "./control.ts";

export interface Release {
  readonly suite: string | undefined;
  readonly codename: string | undefined;
  /** Seconds since the epoch. */
  readonly date: number;
  readonly validUntil: number | undefined;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  readonly acquireByHash: boolean;
  /** Whether `binary-ARCH` indexes hold packages of architecture `all` too. */
  readonly allIncluded: boolean;
  readonly files: ReadonlyMap<string, ReleaseFile>;
}

export interface ReleaseFile {
  readonly sha256: string;
  readonly size: number;
}

/** `what` names the file in errors: "the Release file of `trixie`". */
export function parseRelease(text: string, what: string): Release {
  const p = parseParagraph(text, what);
  const words = (name: string) => (p.get(name) ?? "").split(/\s+/).filter((w) => w !== "");
  const date = parseDate(p.get("Date"), what);
  if (date === undefined) throw new UserError("release.broken", `${what} has no Date`);
  return {
    suite: p.get("Suite"),
    codename: p.get("Codename"),
    date,
    validUntil: parseDate(p.get("Valid-Until"), what),
    components: words("Components").map((c) => c.replace(/^.*\//, "")),
    architectures: words("Architectures"),
    acquireByHash: p.get("Acquire-By-Hash") === "yes",
    allIncluded: !words("Architectures").includes("all") || words("No-Support-for-Architecture-all").includes("Packages"),
    files: parseFiles(p.get("SHA256") ?? "", what),
  };
}

function parseDate(value: string | undefined, what: string): number | undefined {
  if (value === undefined) return undefined;
  const ms = Date.parse(value);
  if (Number.isNaN(ms) || !/(UTC|GMT|[+-]0000|Z)$/.test(value)) throw new UserError("release.broken", `${what} has a date that cannot be read: \`${value}\``);
  return Math.floor(ms / 1000);
}

function parseFiles(value: string, what: string): Map<string, ReleaseFile> {
  const files = new Map<string, ReleaseFile>();
  for (const line of value.split("\n")) {
    if (line === "") continue;
    const match = /^([0-9a-f]{64})\s+(\d+)\s+(\S+)$/.exec(line);
    if (!match) throw new UserError("release.broken", `${what} has a broken SHA256 line: \`${line}\``);
    files.set(match[3]!, { sha256: match[1]!, size: Number(match[2]) });
  }
  return files;
}
