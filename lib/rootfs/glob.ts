// Globs over paths of the image: `*` and `?` cross no `/`, `**` does, `[…]` and `{a,b}` as in a shell.
import { lstatSync, readdirSync, type Dirent } from "node:fs";
import { resolveIn } from "./paths.ts";

/** Paths of the image that match, in byte order; links are matched and not followed, but for those before the first wildcard. */
export function globIn(root: string, glob: string): string[] {
  const pattern = globPattern(glob);
  const fixed = /^[^*?[{]*\//.exec(glob)?.[0] ?? "/";
  if (!/[*?[{]/.test(glob)) return exists(resolveIn(root, glob, "keep")) ? [glob.replace(/(.)\/$/, "$1")] : [];
  const found: string[] = [];
  const into = (dir: string, at: string) => {
    for (const entry of list(at)) {
      const path = `${dir}${entry.name}`;
      // Below a match nothing else need match: the tree goes, or is named, as a whole.
      if (pattern.test(path)) found.push(path);
      else if (entry.isDirectory() && depth(path) < deepest(glob)) into(`${path}/`, `${at}/${entry.name}`);
    }
  };
  into(fixed, resolveIn(root, fixed));
  return found;
}

/** Slashes in the longest path that can match. */
function deepest(glob: string): number {
  return /\*\*|\{[^}]*\//.test(glob) ? Infinity : depth(glob);
}

function depth(path: string): number {
  return path.split("/").length - 1;
}

/** A glob as a regular expression for whole paths. */
export function globPattern(glob: string): RegExp {
  let [out, braces] = ["", 0];
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i]!;
    if (glob.startsWith("**/", i)) [out, i] = [`${out}(?:.*/)?`, i + 2];
    else if (glob.startsWith("**", i)) [out, i] = [`${out}.*`, i + 1];
    else if (c === "*") out += "[^/]*";
    else if (c === "?") out += "[^/]";
    else if (c === "{") [out, braces] = [`${out}(?:`, braces + 1];
    else if (c === "}" && braces > 0) [out, braces] = [`${out})`, braces - 1];
    else if (c === "," && braces > 0) out += "|";
    else if (c === "[" && glob.indexOf("]", i) > i) [out, i] = [out + glob.slice(i, glob.indexOf("]", i) + 1).replace("[!", "[^"), glob.indexOf("]", i)];
    else out += c.replace(/[.+^$()|\\}]/g, "\\$&");
  }
  return new RegExp(`^${out}$`);
}

function exists(at: string): boolean {
  return lstatSync(at, { throwIfNoEntry: false }) !== undefined;
}

function list(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}
