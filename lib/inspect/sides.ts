// What an argument of `debcast diff` names: an image, a lock or a tarball.
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { UserError, nearest } from "../errors.ts";
import { readLock } from "../lock.ts";
import { readMade, type Made } from "../made.ts";
import type { Project } from "../project.ts";
import type { Side } from "./compare.ts";
import { packagesOf, packagesOfLock } from "./packages.ts";
import { tarballs } from "./tarball.ts";

export interface Place {
  readonly kind: "directory" | "lock" | "tarball";
  readonly file: string;
}

/** Where it lies. A bare name is looked for where debcast would have put such a thing, and then here. */
export function placeOf(project: Project, word: string): Place {
  const kind = word.endsWith(".lock") ? "lock" : tarballs.test(word) ? "tarball" : "directory";
  const home = { directory: project.imageDir, lock: project.confDir, tarball: project.outDir }[kind];
  const file = [...(word.includes("/") || /^\.*$/.test(word) ? [] : [join(home, word)]), resolve(word)].find((f) => existsSync(f));
  if (file === undefined) throw absent(project, word, kind);
  if (statSync(file).isDirectory() !== (kind === "directory")) throw wrongKind(word, kind);
  return { kind, file };
}

export async function openSide(project: Project, { kind, file }: Place): Promise<Side> {
  if (kind === "lock") return { packages: packagesOfLock(readLock(file)!), made: [] };
  const tree = kind === "tarball" ? await (await import("./tarball.ts")).readTarball(file) : (await import("./tree.ts")).readDirectory(file);
  return { tree, packages: packagesOf(tree), made: madeBeside(project, file, kind) };
}

/** The record of the build, where image and tarball lie as in a project, be it this one or another. */
function madeBeside(project: Project, file: string, kind: "directory" | "tarball"): readonly Made[] {
  const name = kind === "tarball" ? basename(file).replace(tarballs, "") : basename(file);
  return readMade({ ...project, outDir: kind === "tarball" ? dirname(file) : join(dirname(file), "../out") }, name);
}

function absent(project: Project, word: string, kind: Place["kind"]): UserError {
  if (kind !== "directory") return new UserError("diff.absent", `there is no ${kind} \`${word}\``);
  if (word.includes("/")) return new UserError("diff.absent", `there is no directory \`${word}\``);
  const images = existsSync(project.imageDir) ? readdirSync(project.imageDir).filter((f) => !f.startsWith(".")).sort() : [];
  const near = nearest(word, images);
  const hint = near ? `did you mean \`${near}\`?` : images.length > 0 ? `there are ${images.map((n) => `\`${n}\``).join(", ")}` : "debcast image";
  return new UserError("diff.absent", `there is no image \`${word}\``, { hint });
}

function wrongKind(word: string, kind: Place["kind"]): UserError {
  if (kind !== "directory") return new UserError("diff.kind", `\`${word}\` is a directory, not a ${kind}`, { hint: `\`${word}/\` names the directory` });
  return new UserError("diff.kind", `\`${word}\` is no image, lock or tarball`, { hint: "a lock ends in .lock; a tarball in .tar, .tar.zst, .tar.gz or .tar.xz" });
}
