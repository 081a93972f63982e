// dpkg's two tables of exceptions: where a file goes instead, and who owns it instead.
import { UserError } from "../errors.ts";
import type { Inside } from "./inside.ts";

export interface Diversion {
  readonly to: string;
  /** The package whose file stays; `:` is the administrator. */
  readonly by: string;
}

export interface Override {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export type Names = ReadonlyMap<string, number>;

/** /var/lib/dpkg/diversions, by the path that is diverted. */
export function readDiversions(inside: Inside): Map<string, Diversion> {
  const lines = linesOf(inside, "/var/lib/dpkg/diversions");
  const found = new Map<string, Diversion>();
  for (let i = 0; i + 2 < lines.length; i += 3) found.set(lines[i]!, { to: lines[i + 1]!, by: lines[i + 2]! });
  return found;
}

/** /var/lib/dpkg/statoverride, by path. */
export function readOverrides(inside: Inside, users: Names, groups: Names): Map<string, Override> {
  const found = new Map<string, Override>();
  for (const line of linesOf(inside, "/var/lib/dpkg/statoverride")) {
    const [, user, group, mode, path] = /^(\S+) (\S+) ([0-7]+) (\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    found.set(path, { uid: idOf(user!, users, line), gid: idOf(group!, groups, line), mode: Number.parseInt(mode!, 8) });
  }
  return found;
}

/** Names of /etc/passwd or /etc/group of the image with their ids. */
export function readNames(inside: Inside, file: "/etc/passwd" | "/etc/group"): Map<string, number> {
  return new Map(linesOf(inside, file).map((l) => l.split(":")).filter((f) => /^\d+$/.test(f[2] ?? "")).map((f) => [f[0]!, Number(f[2])]));
}

function linesOf(inside: Inside, file: string): string[] {
  return (inside.read(file)?.toString() ?? "").split("\n").filter((l) => l !== "");
}

function idOf(name: string, names: Names, line: string): number {
  const id = name.startsWith("#") ? Number(name.slice(1)) : names.get(name);
  if (id !== undefined && Number.isInteger(id)) return id;
  throw new UserError("dpkg.override", `the statoverride \`${line}\` names \`${name}\`, who is not in the image`);
}
