// Which scriptlets there are: base/NAME.ts of the project, then the engine's own that no file of the project shadows.
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { engineRoot } from "../engine.ts";
import type { Project } from "../project.ts";

export interface Source {
  readonly name: string;
  /** Absolute path of base/NAME.ts. */
  readonly file: string;
  /** base/NAME/, absolute; it need not exist. */
  readonly folder: string;
  /** The directory that its base/ lies in. */
  readonly root: string;
}

export type Catalogue = ReadonlyMap<string, Source>;

const scriptletFile = /^([a-z0-9][a-z0-9+.-]*)\.ts$/;

export function findScriptlets(project: Project): Catalogue {
  const found = new Map<string, Source>();
  for (const base of project.baseDirs) {
    for (const entry of listDir(base)) {
      const name = scriptletFile.exec(entry)?.[1];
      if (name === undefined || name.endsWith(".d") || found.has(name)) continue;
      found.set(name, { name, file: join(base, entry), folder: join(base, name), root: dirname(base) });
    }
  }
  return found;
}

/** Where helpers shared by several scriptlets lie; the engine's lib/ is the engine, and no helper of its base/. */
export function helperDir(root: string): string | undefined {
  return root === engineRoot ? undefined : join(root, "lib");
}

function listDir(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw e;
  }
}
