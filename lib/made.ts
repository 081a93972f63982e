// Which step of which scriptlet made which path in the last build: out/NAME.made.json, for `why` and for pushing to devices.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Where } from "./errors.ts";
import type { Project } from "./project.ts";

export interface Made {
  /** Path in the image. */
  readonly path: string;
  /** `write`, `copy`, … */
  readonly step: string;
  readonly where: Where;
  /** Units that a running device restarts when the path changes. */
  readonly restart?: readonly string[];
}

export function writeMade(project: Project, image: string, made: readonly Made[]): void {
  mkdirSync(project.outDir, { recursive: true });
  writeFileSync(madeFile(project, image), `${JSON.stringify(made, null, 1)}\n`);
}

export function readMade(project: Project, image: string): readonly Made[] {
  const file = madeFile(project, image);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Made[]) : [];
}

function madeFile(project: Project, image: string): string {
  return join(project.outDir, `${image}.made.json`);
}
