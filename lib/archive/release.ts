// A suite as it is now: its InRelease, fetched and verified, and the hashes of its indexes.
import { delimiter, join } from "node:path";
import { existsSync } from "node:fs";
import { parseRelease, type Release } from "../deb/release.ts";
import { verifyCleartext } from "../deb/signature.ts";
import { UserError } from "../errors.ts";
import { fetchSmall } from "../fetch.ts";
import type { LockedArchive } from "../lock.ts";
import { mirrorsFor, type MirrorOptions } from "../mirrors.ts";
import type { ArchiveSpec } from "./specs.ts";

export interface FreshRelease {
  readonly release: Release;
  readonly suite: string;
  /** Mirrors, first the one that gave the InRelease. */
  readonly bases: () => string[];
}

/** An InRelease of trixie has 180 kB. */
const limit = 8 << 20;
/** How far a mirror's clock may be ahead of ours, in seconds. */
const leeway = 3600;

export async function fetchRelease(spec: ArchiveSpec, o: MirrorOptions & { readonly offline?: boolean | undefined }): Promise<FreshRelease> {
  const bases = mirrorsFor(spec, o);
  const what = `the InRelease of \`${spec.suite}\``;
  const path = `dists/${spec.suite}/InRelease`;
  const { body, url } = await fetchSmall(bases.map((b) => `${b}/${path}`), { limit, label: path, hint: absentHint(spec), ...(o.offline && { offline: true }) });
  const text = await verifyCleartext({ text: body.toString("utf8"), keyring: spec.keyring(), what });
  const release = parseRelease(text, what);
  checkRelease(release, { spec, url, now: Date.now() / 1000 });
  const first = bases.filter((b) => url === `${b}/${path}`);
  return { release, suite: spec.suite, bases: () => [...first, ...bases.filter((b) => !first.includes(b))] };
}

function absentHint(spec: ArchiveSpec): string {
  if (spec.name === "updates" || spec.name === "security") return `if the suite has none: \`${spec.name}: false,\` in the conf`;
  return "another mirror with `--mirror`, or in the conf: `mirrors: [\"http://mirror.example/debian\"],`";
}

/** A signature says who wrote it, not that it is the suite that was asked for, nor that it is of today. */
export function checkRelease(release: Release, o: { spec: Pick<ArchiveSpec, "suite">; url: string; now: number }): void {
  const { suite } = o.spec;
  const what = `the InRelease of \`${suite}\``;
  const names = [release.codename, release.suite].filter((n) => n !== undefined);
  if (!names.includes(suite)) {
    throw new UserError("archive.other-suite", `${what} is of another suite: \`${names.join("`, `") || "without a name"}\``, { details: o.url, hint: "the mirror is wrong, or leads elsewhere: another one with `--mirror`" });
  }
  if (release.validUntil !== undefined && release.validUntil < o.now) {
    throw new UserError("archive.expired", `${what} was valid until ${day(release.validUntil)} only`, { details: o.url, hint: "the mirror is not kept up to date (another one with `--mirror`), or this machine's clock is wrong" });
  }
  if (release.date > o.now + leeway) {
    throw new UserError("archive.future", `${what} is dated ${day(release.date)}, which is yet to come`, { details: o.url, hint: `this machine's clock says ${day(o.now)}: is that right?` });
  }
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}

/** The index of a component, and that of architecture `all` where it is kept apart. */
export function indexOf(fresh: FreshRelease, o: { component: string; arch: string }): LockedArchive["indexes"][number][] {
  const { release, suite } = fresh;
  const suffixes = hasXz() ? [".xz", ".gz", ""] : [".gz", ""];
  const pick = (arch: string) => {
    const path = suffixes.map((s) => `${o.component}/binary-${arch}/Packages${s}`).find((p) => release.files.has(p));
    return path === undefined ? [] : [{ path, ...release.files.get(path)! }];
  };
  const found = [...pick(o.arch), ...(release.allIncluded ? [] : pick("all"))];
  if (found.length > 0) return found;
  const reason = release.components.includes(o.component) ? `nothing for \`${o.arch}\` in \`${o.component}\`` : `no component \`${o.component}\`, only \`${release.components.join("`, `")}\``;
  throw new UserError("archive.component", `the suite \`${suite}\` has ${reason}`);
}

function hasXz(): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((dir) => dir !== "" && existsSync(join(dir, "xz")));
}
