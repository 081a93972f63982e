import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Built } from "../build.ts";
import { formatBytes, formatCount, formatTime } from "../format.ts";
import { ownerMap } from "../namespace.ts";
import { failedTree, handEdits, imageFiles, imagePhoto, readState, type ImageFiles, type ImageState } from "../output/image.ts";
import { sourcesSame } from "../output/sources.ts";
import { imageName } from "../project.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "image",
  usage: "image [--out DIR]",
  summary: "build the image: a Debian in image/NAME/",
  options: {
    out: { type: "string", value: "DIR", help: "build it there (default: image/NAME)" },
    "keep-edits": { type: "boolean", help: "keep what was edited by hand in the image" },
  },
  namespaces: true,
  exclusive: true,
  early: (c) => nothingMoved(c, filesOf(c, imageName(c.conf))),
  run: async (c: Context): Promise<Outcome> => {
    const files = filesOf(c, imageName(c.conf));
    // What belongs to subordinate ids can only be looked at from here.
    const done = ownerMap() === "root" ? undefined : await nothingMoved(c, files);
    if (done) return done;
    const [{ prepare }, { buildImage }, { upToDate }] = [await import("../prepare.ts"), await import("../build.ts"), await import("../build/uptodate.ts")];
    const p = await prepare(c);
    const real = filesOf(c, p.conf.name);
    const state = real.image === files.image && !existsSync(failedTree(real.image)) ? await upToDate(c, p, files) : undefined;
    if (state) return unchanged(files, state);
    const built = await buildImage(c, p, { files: real, keepEdits: c.options["keep-edits"] === true });
    return told(built);
  },
};

/** Nothing that the image was made of has moved since, nor the image: that is seen without loading anything. */
async function nothingMoved(c: Context, files: ImageFiles): Promise<Outcome | undefined> {
  const state = c.cache ? readState(files) : undefined;
  // What a failed build left goes with the next good one.
  if (!state?.sources || state.always || state.kept.length > 0 || existsSync(failedTree(files.image))) return undefined;
  if (!sourcesSame(state.sources)) return undefined;
  const edits = await handEdits(files, imagePhoto(files));
  return edits?.length === 0 ? unchanged(files, state) : undefined;
}

function unchanged(files: ImageFiles, state: ImageState): Outcome {
  const ms = performance.now();
  const image = relative(process.cwd(), files.image) || files.image;
  return {
    text: `${image}: nothing changed, ${formatBytes(state.bytes)}, ${formatCount(state.paths, "path")}, in ${formatTime(ms)}`,
    data: { image: files.image, paths: state.paths, bytes: state.bytes, ms: Math.round(ms) },
  };
}

function filesOf(c: Context, name: string): ImageFiles {
  const out = c.options.out as string | undefined;
  return imageFiles(c.project, name, out === undefined ? undefined : resolve(out));
}

function told(built: Built): Outcome {
  const ms = performance.now();
  return {
    text: `${relative(process.cwd(), built.image) || built.image}: ${formatBytes(built.bytes)}, ${formatCount(built.paths, "path")}, in ${formatTime(ms)}`,
    data: { ...built, ms: Math.round(ms) },
    next: [`debcast tar`, `debcast disk`, `debcast shell`],
  };
}
