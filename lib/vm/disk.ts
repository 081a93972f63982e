// The disk that a machine starts from: one that is named, or the conf's own, built first as far as it has to be.
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { runVerb } from "../child.ts";
import { UserError } from "../errors.ts";
import { imageFiles } from "../output/image.ts";
import { imageName, type Project } from "../project.ts";
import { shellQuote } from "../run.ts";

export interface DiskWanted {
  readonly project: Project;
  readonly conf: string;
  /** As the user names it. */
  readonly file: string | undefined;
  readonly mirrors: readonly string[];
  readonly quiet: boolean;
}

export async function diskOf(o: DiskWanted): Promise<string> {
  if (o.file !== undefined) {
    if (!existsSync(o.file)) throw new UserError("vm.absent", `there is no disk \`${o.file}\``, { hint: "debcast disk -o FILE" });
    if (o.file.endsWith(".zst")) throw new UserError("vm.packed", `\`${o.file}\` is compressed, and a machine starts from the disk itself`, { hint: `zstd -d --long=27 ${shellQuote([o.file])}` });
    return resolve(o.file);
  }
  const disk = join(o.project.outDir, `${imageName(o.conf)}.img`);
  const child = { ...o, words: o.quiet ? ["--quiet"] : [], error: ["vm.build", "there is nothing to start"] as const };
  await runVerb("image", child);
  const state = imageFiles(o.project, imageName(o.conf)).state;
  if (!existsSync(disk) || !existsSync(state) || statSync(state).mtimeMs > statSync(disk).mtimeMs) await runVerb("disk", child);
  return disk;
}
