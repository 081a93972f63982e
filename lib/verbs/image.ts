import { join, relative, resolve } from "node:path";
import { buildImage } from "../build.ts";
import { formatBytes, formatCount, formatTime } from "../format.ts";
import { prepare } from "../prepare.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "image",
  usage: "image [--out DIR]",
  summary: "build the image: a Debian in image/NAME/",
  options: { out: { type: "string", value: "DIR", help: "build it there (default: image/NAME)" } },
  namespaces: true,
  run: async (c: Context): Promise<Outcome> => {
    const p = await prepare(c);
    const out = c.options.out === undefined ? join(c.project.imageDir, p.conf.name) : resolve(c.options.out as string);
    const built = await buildImage(c, p, out);
    const ms = performance.now();
    return {
      text: `${relative(process.cwd(), built.image) || built.image}: ${formatBytes(built.bytes)}, ${formatCount(built.paths, "path")}, in ${formatTime(ms)}`,
      data: { ...built, ms: Math.round(ms) },
      next: [`debcast tar`, `debcast shell`],
    };
  },
};
