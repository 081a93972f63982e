import { join, relative, resolve } from "node:path";
import { stage } from "../events.ts";
import { formatBytes } from "../format.ts";
import { readLock, type Lock } from "../lock.ts";
import { imageFiles, readState } from "../output/image.ts";
import { sourcesSame } from "../output/sources.ts";
import { compressorFor, packTar } from "../output/tar.ts";
import { prepare, type Prepared } from "../prepare.ts";
import { imageName } from "../project.ts";
import { openSandbox } from "../tools.ts";
import { imageOf } from "./built.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "tar",
  usage: "tar [-o FILE]",
  summary: "pack the image: .tar, .tar.zst, .tar.gz or .tar.xz",
  options: { output: { type: "string", short: "o", value: "FILE", help: "default: out/NAME.tar.zst" } },
  namespaces: "of a user",
  run: async (c: Context): Promise<Outcome> => {
    if (c.options.output !== undefined) compressorFor(c.options.output as string);
    let p: Promise<Prepared> | undefined;
    const prepared = () => (p ??= prepare(c));
    const lock = provedLock(c) ?? (await prepared()).lock;
    const name = imageName(c.conf);
    const file = c.options.output === undefined ? join(c.project.outDir, `${name}.tar.zst`) : resolve(c.options.output as string);
    const image = imageOf(c, name);
    const sandbox = await openSandbox(c, lock, prepared);
    const bytes = await stage(c.emit, "tar", () => packTar({ image: image.dir, file, sandbox, stayed: image.stayed }), formatBytes);
    return { text: `${relative(process.cwd(), file)}: ${formatBytes(bytes)}`, data: { file, bytes } };
  },
};

/** The lock, if nothing that the image was made from has moved since the build that proved it. */
function provedLock(c: Context): Lock | undefined {
  const sources = c.cache ? readState(imageFiles(c.project, imageName(c.conf)))?.sources : undefined;
  const file = join(c.project.confDir, `${imageName(c.conf)}.lock`);
  return sources?.[file] !== undefined && sourcesSame(sources) ? readLock(file) : undefined;
}
