// The image that a verb works on, which has to be there, whole, of whoever asks, and the same until the verb is done with it.
import { existsSync, lstatSync } from "node:fs";
import { relative } from "node:path";
import { UserError } from "../errors.ts";
import { ownerMap } from "../namespace.ts";
import { imageFiles, isHalfChanged, lastBuild } from "../output/image.ts";
import type { Context } from "./verb.ts";

export interface BuiltImage {
  /** Its directory. */
  readonly dir: string;
  /** Throws when a build has changed it since it was asked for: what was made of it holds some of either. */
  stayed(): void;
}

export function imageOf(c: Context, name: string): BuiltImage {
  const files = imageFiles(c.project, name);
  if (!existsSync(files.image)) throw new UserError("image.absent", `\`${name}\` has not been built`, { hint: "debcast image" });
  if (isHalfChanged(files)) throw new UserError("image.not-whole", `\`${name}\` is not whole: a build was ended while it brought the image up to date`, { hint: "debcast image" });
  checkOwner(files.image);
  const before = lastBuild(files);
  return {
    dir: files.image,
    stayed: () => {
      if (!isHalfChanged(files) && lastBuild(files) === before) return;
      throw imageChanged(name);
    },
  };
}

export function imageChanged(name: string): UserError {
  return new UserError("image.changed", `another build has changed \`${name}\` meanwhile, and nothing was made of it`, { hint: "once that build is done, the same again" });
}

/** What is root's in the image is the builder's on this machine: whoever else reads it would take somebody for root. */
function checkOwner(image: string): void {
  const { uid } = lstatSync(image);
  if (uid === process.getuid!()) return;
  // In the namespaces of a user we are root, and root is nobody.
  const asRoot = ownerMap() === "root";
  throw new UserError("image.owner", `\`${relative(process.cwd(), image)}\` was built by ${asRoot ? `a user (uid ${uid})` : "root or another user"}, and its owners are right for whoever built it`, {
    hint: asRoot ? "make it as that user, without sudo; a disk that was made so is written by\nsudo dd if=out/NAME.img of=/dev/sdX bs=4M conv=fsync   # or bmaptool copy" : "do it as that user, or have an image of your own: a clone, or a project, of yours",
  });
}
