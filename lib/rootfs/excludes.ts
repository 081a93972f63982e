// What a scriptlet or conf wants never unpacked: globs as everywhere, and one that matches a directory takes along all below it.
import { UserError } from "../errors.ts";
import { globPattern } from "./glob.ts";

export type Excluder = (path: string) => boolean;

/** Where the image's own dpkg is told, so that an upgrade on the device leaves out the same. */
export const excludesFile = "/etc/dpkg/dpkg.cfg.d/debcast-excludes";

/** Whether a path of a package is left out. */
export function openExcludes(globs: readonly string[]): Excluder {
  if (globs.length === 0) return () => false;
  const relative = globs.find((g) => !g.startsWith("/"));
  if (relative !== undefined) throw new UserError("exclude.relative", `the exclude \`${relative}\` is not an absolute path`);
  const pattern = new RegExp(`^(?:${globs.map((g) => globPattern(g.replace(/\/$/, "")).source.slice(1, -1)).join("|")})(?:/|$)`);
  return (path) => pattern.test(path);
}

/** The same for dpkg, whose `*` crosses slashes: where a glob has a single `*`, dpkg would leave out a little more. */
export function dpkgExcludes(globs: readonly string[]): string {
  const lines = globs.flatMap(braceExpand).flatMap((glob) => {
    const wide = glob.replace(/\*+/g, "*").replace(/\/$/, "");
    return wide.endsWith("/*") ? [wide] : [wide, `${wide}/*`];
  });
  return `# What was left out when this image was made.\n${[...new Set(lines)].map((l) => `path-exclude=${l}\n`).join("")}`;
}

function braceExpand(glob: string): string[] {
  const m = /^(.*?)\{([^{}]*)\}(.*)$/.exec(glob);
  return m ? m[2]!.split(",").flatMap((choice) => braceExpand(`${m[1]}${choice}${m[3]}`)) : [glob];
}
