// Unpacks packages together, as one `dpkg --unpack` would: files first, then what dpkg knows about them.
import { readDiversions, readNames, readOverrides } from "./diversions.ts";
import { appendStatus, shortenList, writeInfo } from "./dpkg.ts";
import type { Excluder } from "./excludes.ts";
import type { Inside } from "./inside.ts";
import type { Owners } from "./owners.ts";
import type { Package } from "./package.ts";
import { placePackages } from "./place.ts";
import { activations, addInterests, directivesOf, readInterests, recordActivations } from "./triggers.ts";

/** A tree that packages are unpacked into, and what is known of it from one wave to the next. */
export interface Unpacking {
  readonly inside: Inside;
  readonly owners: Owners;
  readonly excluded: Excluder;
}

/** What goes into the .list of each package. */
export type Lists = ReadonlyMap<Package, readonly string[]>;

/** Files, directories and links of `pkgs`. */
export function placeAll(u: Unpacking, pkgs: readonly Package[]): Lists {
  const { inside } = u;
  const [users, groups] = [readNames(inside, "/etc/passwd"), readNames(inside, "/etc/group")];
  const placing = { ...u, users, groups, diversions: readDiversions(inside), overrides: readOverrides(inside, users, groups) };
  return placePackages(placing, pkgs);
}

/** Makes dpkg know of packages that were placed; their triggers go off as they would have. */
export function recordAll(u: Unpacking, lists: Lists): void {
  const { inside } = u;
  const pkgs = [...lists.keys()];
  const explicit = pkgs.flatMap((p) => directivesOf(p).filter((d) => d.kind === "activate").map((d) => d.trigger));
  const interests = readInterests(inside, new Set(explicit.filter((t) => !t.startsWith("/"))));
  const activated = activations({
    pkgs: pkgs.map((pkg) => ({ pkg, paths: pkg.stored.entries.map((e) => e.path) })), interests, diversions: readDiversions(inside),
  });
  for (const [pkg, list] of lists) writeInfo(inside, pkg, list);
  for (const [pkg, lost] of u.owners.takeLost()) shortenList(inside, pkg, lost);
  addInterests(inside, pkgs);
  appendStatus(inside, pkgs);
  recordActivations(inside, activated);
}
