import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { stage } from "../events.ts";
import { formatBytes } from "../format.ts";
import { imageFiles, isHalfChanged } from "../output/image.ts";
import { compressorFor, packTar } from "../output/tar.ts";
import { prepare } from "../prepare.ts";
import { openSandbox } from "../tools.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "tar",
  usage: "tar [-o FILE]",
  summary: "pack the image: .tar, .tar.zst, .tar.gz or .tar.xz",
  options: { output: { type: "string", short: "o", value: "FILE", help: "default: out/NAME.tar.zst" } },
  namespaces: true,
  run: async (c: Context): Promise<Outcome> => {
    if (c.options.output !== undefined) compressorFor(c.options.output as string);
    const p = await prepare(c);
    const file = c.options.output === undefined ? join(c.project.outDir, `${p.conf.name}.tar.zst`) : resolve(c.options.output as string);
    const image = join(c.project.imageDir, p.conf.name);
    if (!existsSync(image)) throw new UserError("tar.no-image", `\`${p.conf.name}\` has not been built`, { hint: `debcast image` });
    if (isHalfChanged(imageFiles(c.project, p.conf.name))) throw new UserError("tar.not-whole", `\`${p.conf.name}\` is not whole: a build was ended while it brought the image up to date`, { hint: `debcast image` });
    const sandbox = await openSandbox(c, p);
    const bytes = await stage(c.emit, "tar", () => packTar({ image, file, sandbox, epoch: p.epoch }), formatBytes);
    return { text: `${relative(process.cwd(), file)}: ${formatBytes(bytes)}`, data: { file, bytes } };
  },
};
