// Why the last build did what it did: in a line per stage while it runs, and in out/NAME.rebuild.json for `why --rebuild`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Told } from "../layers/chain.ts";
import { changedInputs, inShort } from "../layers/reasons.ts";
import type { ImageState } from "../output/image.ts";
import type { Project } from "../project.ts";
import type { Works } from "./works.ts";

export interface Rebuilt {
  readonly link: string;
  readonly reused: boolean;
  readonly ms: number;
  /** Its inputs that differ from those of the build before. */
  readonly changed: readonly string[];
  /** If none does: the link before it that changed the tree. */
  readonly follows?: string;
}

/** What was reused and what was made, of the links from `from` on. */
export function summary(w: Works, from: number, before: ImageState | undefined): string {
  const links = rebuilt(w.chain.told, before).slice(from);
  const made = links.filter((l) => !l.reused);
  if (links.length === 0) return "nothing to do";
  if (made.length === 0) return `all ${links.length} reused`;
  const first = made[0]!;
  const why = before === undefined ? "" : `: ${first.link}, ${first.changed.length > 0 ? inShort(first.changed) : first.follows === undefined ? "it was not there any more" : `after ${first.follows}`}`;
  return `${made.length} of ${links.length} made${why}`;
}

export function writeRebuild(w: Works, before: ImageState | undefined): void {
  mkdirSync(w.c.project.outDir, { recursive: true });
  writeFileSync(rebuildFile(w.c.project, w.p.conf.name), `${JSON.stringify(rebuilt(w.chain.told, before), null, 1)}\n`);
}

export function readRebuild(project: Project, image: string): readonly Rebuilt[] | undefined {
  const file = rebuildFile(project, image);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Rebuilt[]) : undefined;
}

function rebuilt(told: readonly Told[], before: ImageState | undefined): Rebuilt[] {
  const known = new Map(before?.links.map((l) => [l.name, l]));
  let last: string | undefined;
  return told.map((t) => {
    const differ = t.reused ? [] : changedInputs(t, known.get(t.name));
    const isAlways = !t.reused && (t.layer.facts as { always?: boolean } | null)?.always === true;
    const changed = isAlways && differ.length === 0 ? ["it reads more than its own files, and is run each time"] : differ;
    const link = { link: t.name, reused: t.reused, ms: Math.round(t.ms), changed, ...(!t.reused && changed.length === 0 && last !== undefined && { follows: last }) };
    if (!t.reused) last = t.name;
    return link;
  });
}

function rebuildFile(project: Project, image: string): string {
  return join(project.outDir, `${image}.rebuild.json`);
}
