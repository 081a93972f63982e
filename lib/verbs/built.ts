// The image that a verb works on, which has to be there and whole.
import { existsSync } from "node:fs";
import { UserError } from "../errors.ts";
import { imageFiles, isHalfChanged } from "../output/image.ts";
import type { Context } from "./verb.ts";

/** Its directory. */
export function imageOf(c: Context, name: string): string {
  const files = imageFiles(c.project, name);
  if (!existsSync(files.image)) throw new UserError("image.absent", `\`${name}\` has not been built`, { hint: "debcast image" });
  if (isHalfChanged(files)) throw new UserError("image.not-whole", `\`${name}\` is not whole: a build was ended while it brought the image up to date`, { hint: "debcast image" });
  return files.image;
}
