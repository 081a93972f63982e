// Which package each file belongs to, and what happens when two have the same.
import { versionMatches } from "../deb/dependency.ts";
import { UserError } from "../errors.ts";
import type { Package } from "./package.ts";

export interface Owners {
  of(path: string): readonly Package[];
  claim(path: string, pkg: Package): void;
  /** Paths that packages had and lost to one that replaces them; emptied by reading. */
  takeLost(): Map<Package, Set<string>>;
  lose(path: string, pkg: Package): void;
}

export function openOwners(): Owners {
  const owners = new Map<string, Package | Package[]>();
  let lost = new Map<Package, Set<string>>();
  const of = (path: string) => {
    const found = owners.get(path);
    return found === undefined ? [] : Array.isArray(found) ? found : [found];
  };
  return {
    of,
    claim: (path, pkg) => {
      const before = of(path);
      owners.set(path, before.length === 0 ? pkg : [...before, pkg]);
    },
    takeLost: () => {
      const taken = lost;
      lost = new Map();
      return taken;
    },
    lose: (path, pkg) => {
      owners.set(path, of(path).filter((p) => p !== pkg));
      lost.set(pkg, (lost.get(pkg) ?? new Set()).add(path));
    },
  };
}

/** Makes known whose files those of installed packages are: what dpkg has settled before is settled the same way again. */
export function recall(owners: Owners, pkgs: readonly Package[]): void {
  for (const pkg of pkgs) {
    for (const e of pkg.stored.entries) {
      if (e.type === "directory") continue;
      const others = owners.of(e.path).filter((o) => o.name !== pkg.name);
      if (others.some((o) => replaces(o, pkg) && !replaces(pkg, o))) continue;
      for (const o of others) if (replaces(pkg, o)) owners.lose(e.path, o);
      owners.claim(e.path, pkg);
    }
  }
  owners.takeLost();
}

/**
 * Whose file `path` is to be, if not only `pkg` has it: `ours` (it may be written), `theirs` (it is left alone and not listed),
 * `shared` (the same file of the same package for another architecture). All else is an error.
 */
export function settleConflict(o: { owners: Owners; pkg: Package; path: string; divertedBy: string | undefined; same: () => boolean }): "ours" | "theirs" | "shared" {
  const { owners, pkg, path, divertedBy } = o;
  let verdict: "ours" | "theirs" | "shared" = "ours";
  for (const other of owners.of(path)) {
    // A diversion is there so that both can have the path.
    if (divertedBy !== undefined && (divertedBy === pkg.name || divertedBy === other.name)) continue;
    if (other.name === pkg.name && other.multiArch === "same" && pkg.multiArch === "same") {
      if (!o.same()) throw conflict(pkg, other, path, "differs from the one in");
      verdict = "shared";
    } else if (replaces(pkg, other)) owners.lose(path, other);
    else if (replaces(other, pkg)) return "theirs";
    else throw conflict(pkg, other, path, "is also in");
  }
  return verdict;
}

function replaces(a: Package, b: Package): boolean {
  return a.replaces.some((alternatives) => alternatives.some((r) => r.name === b.name && versionMatches(r, b.version)));
}

function conflict(pkg: Package, other: Package, path: string, how: string): UserError {
  return new UserError("unpack.conflict", `\`${path}\` of \`${pkg.name}\` (${pkg.version}) ${how} \`${other.name}\` (${other.version})`, {
    hint: "leave one of the two packages out",
  });
}
