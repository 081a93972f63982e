// An image as it is pushed: what is in it, whose its paths are, which step made them. Read once, however many devices get it.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { packagesOf } from "../inspect/packages.ts";
import { readMade, type Made } from "../made.ts";
import { imageFiles, isHalfChanged, lastBuild } from "../output/image.ts";
import type { Project } from "../project.ts";
import { asBytes, takeInventory } from "./inventory.ts";
import { keep, type Kept } from "./kept.ts";
import { unitsOf, type Units } from "./units.ts";

export interface PushImage {
  /** Name of its conf. */
  readonly name: string;
  /** Directory. */
  readonly dir: string;
  /** Where inventories are kept. */
  readonly downloads: string;
  readonly inventory: Kept;
  readonly made: readonly Made[];
  readonly units: Units;
  /** SHA-256 of its lock. */
  readonly lock: string;
  /** Whether a path below /etc or /var is the image's in the sense of people: a package ships it, or a step made it. */
  owns(path: string): boolean;
  /** Whether it is what it was when it was read: a build may have changed it. */
  isStill(): Promise<boolean>;
}

/** The image NAME of a project, which has been built. */
export async function readImage(project: Project, name: string): Promise<PushImage> {
  const files = imageFiles(project, name);
  if (!existsSync(files.image) || isHalfChanged(files)) throw new UserError("image.absent", `\`${name}\` has not been built`, { hint: "debcast image" });
  const dir = files.image;
  const memory = join(project.outDir, `${name}.inventory`);
  const built = lastBuild(files);
  const inventory = await takeInventory(dir, memory);
  const whole: Kept = { ...inventory, packages: versionsIn(dir) };
  keep(project.downloads, whole);
  const made = readMade(project, name);
  const lock = join(project.confDir, `${name}.lock`);
  let owned: Set<string> | undefined;
  return {
    name, dir, downloads: project.downloads, inventory: whole, made, units: unitsOf(dir, whole.items),
    lock: existsSync(lock) ? createHash("sha256").update(readFileSync(lock)).digest("hex") : "",
    owns: (path) => (owned ??= new Set([...shippedIn(dir), ...made.map((m) => asBytes(m.path))])).has(path),
    isStill: async () => !isHalfChanged(files) && (lastBuild(files) === built || (existsSync(dir) && (await takeInventory(dir, memory)).id === inventory.id)),
  };
}

/** What a device says that it is, when nobody has pushed to it yet. */
export function diskMark(image: PushImage): string {
  return `image=${image.inventory.id}\nconf=${image.name}\nlock=${image.lock}\n`;
}

function versionsIn(dir: string): Record<string, string> {
  const read = (path: string) => (existsSync(join(dir, path)) ? readFileSync(join(dir, path)) : undefined);
  return Object.fromEntries([...packagesOf({ entries: new Map(), read })].map(([key, p]) => [key, p.version]));
}

/** What packages ship in /etc and /var. */
function shippedIn(dir: string): string[] {
  const info = join(dir, "var/lib/dpkg/info");
  if (!existsSync(info)) return [];
  return readdirSync(info).filter((f) => f.endsWith(".list")).flatMap((f) => readFileSync(join(info, f), "latin1").split("\n").filter((p) => /^\/(etc|var)\//.test(p)));
}
