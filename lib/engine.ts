// Where debcast itself lies, and its version: both the same whether lib/ runs as source (tests) or as a bundle.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The directory with debcast's own bin/, base/ and lib/. */
export const engineRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Version from package.json. */
export const engineVersion = (JSON.parse(readFileSync(join(engineRoot, "package.json"), "utf8")) as { version: string }).version;

function findRoot(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, "bin/debcast"))) return dir;
    if (dir === dirname(dir)) throw new Error(`no bin/debcast above ${from}`);
  }
}
