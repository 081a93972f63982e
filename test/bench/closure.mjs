// Which packages: what a lock names, and what a tree has. Builds are compared only when they hold the same ones.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The .debs that a lock puts into the image. `text`: the whole lock. */
export function lockedDebs(text) {
  return paragraphs(text)
    .filter((p) => p.Package !== undefined && (p.Roles ?? "image").split(" ").includes("image"))
    .map((p) => ({ name: p.Package, version: p.Version, arch: p.Architecture, filename: p.Filename, sha256: p.SHA256, size: Number(p.Size) }));
}

/** A line per package that dpkg knows of in `tree`, whatever its state, sorted. */
export function installed(tree) {
  return paragraphs(readFileSync(join(tree, "var/lib/dpkg/status"), "utf8"))
    .map((p) => `${p.Package} ${p.Version} ${p.Architecture} ${p.Status}`)
    .sort();
}

export function asInstalled(debs) {
  return debs.map((d) => `${d.name} ${d.version} ${d.arch} install ok installed`).sort();
}

/** Lines that only one side has, as a diff shows them. Empty when both are the same. */
export function differing(ours, theirs) {
  const [a, b] = [new Set(ours), new Set(theirs)];
  return [...ours.filter((l) => !b.has(l)).map((l) => `- ${l}`), ...theirs.filter((l) => !a.has(l)).map((l) => `+ ${l}`)].sort((x, y) => (x.slice(2) < y.slice(2) ? -1 : 1));
}

/** Fields of each paragraph; of one with several lines only the first, which is all that is asked for here. */
function paragraphs(text) {
  return text.trim().split(/\n\n+/).map((p) => Object.fromEntries([...p.matchAll(/^([A-Za-z0-9-]+): *(.*)$/gm)].map((m) => [m[1], m[2]])));
}
