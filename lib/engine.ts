// Where debcast itself lies, and its version: both the same whether lib/ runs as source (tests) or as a bundle.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The directory with debcast's own bin/, base/ and lib/. */
export const engineRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Version from package.json. */
export const engineVersion = (JSON.parse(readFileSync(join(engineRoot, "package.json"), "utf8")) as { version: string }).version;

/** SHA-256 of debcast's own sources: what another debcast made is not used. The bundle has it beside it. */
export function engineKey(): string {
  const beside = join(dirname(fileURLToPath(import.meta.url)), "engine");
  return existsSync(beside) ? readFileSync(beside, "utf8") : sourceKey(join(engineRoot, "lib"));
}

/** The same as bin/debcast takes of them. */
function sourceKey(dir: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts")).sort();
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(dir, file)));
  return hash.digest("hex");
}

function findRoot(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    if (existsSync(join(dir, "bin/debcast"))) return dir;
    if (dir === dirname(dir)) throw new Error(`no bin/debcast above ${from}`);
  }
}
