// The disk that a machine starts from: one that is named, or the conf's own, built first as far as it has to be.
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { imageFiles } from "../output/image.ts";
import { imageName, type Project } from "../project.ts";
import { onTerminal } from "../run.ts";

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
    return resolve(o.file);
  }
  const disk = join(o.project.outDir, `${imageName(o.conf)}.img`);
  // Each in a process of its own: they enter namespaces, which the machine has no use for.
  await debcast("image", o);
  const state = imageFiles(o.project, imageName(o.conf)).state;
  if (!existsSync(disk) || !existsSync(state) || statSync(state).mtimeMs > statSync(disk).mtimeMs) await debcast("disk", o);
  return disk;
}

async function debcast(verb: string, o: DiskWanted): Promise<void> {
  const argv = [process.execPath, process.argv[1]!, verb, "-C", o.project.dir, "-c", o.conf, ...o.mirrors.flatMap((m) => ["--mirror", m]), ...(o.quiet ? ["--quiet"] : [])];
  const status = await onTerminal(argv, 2);
  if (status !== 0) throw new UserError("vm.build", `\`debcast ${verb}\` ended with ${status}, so there is nothing to start`, { exit: status > 0 ? status : 1 });
}
