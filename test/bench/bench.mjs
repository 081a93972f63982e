// How long a build takes, and how that splits up. `make bench ARGS="gateway 5"`: conf (default base) and number of runs (default 3).
// The first run fills the caches (downloads/) and is shown apart; before each run image/ is removed, so that nothing is reused
// but what downloads/ holds. The floor is a copy of the finished tree: no build that writes it can be faster.
import { spawnSync } from "node:child_process";
import { cpus, release } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [conf = "base", count = "3"] = process.argv.slice(2);
const debcast = (...args) => [process.execPath, join(root, "bin/debcast"), ...args, "-C", root, "-c", conf, "--quiet"];

timed(debcast("fetch"));
const rows = [
  ["first run (caches may be cold)", [build()]],
  ["full caches, empty image/", Array.from({ length: Number(count) }, () => build())],
  ["--no-cache", [build("--no-cache")]],
  ["tar, zstd", [timed(debcast("tar"))]],
  ["floor: cp -a of the tree", [floor()]],
];

process.stdout.write(`${conf}: ${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.versions.node}\n\n`);
for (const [what, seconds] of rows) {
  const sorted = [...seconds].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1];
  const spread = sorted.length > 1 ? `  (${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)})` : "";
  process.stdout.write(`${what.padEnd(32)}${median.toFixed(1).padStart(7)} s${spread}\n`);
}
process.stdout.write("\nthe parts of one build: debcast image --trace build.json, opened in Perfetto\n");

function build(...more) {
  timed(debcast("clean"));
  return timed(debcast("image", ...more));
}

function floor() {
  const to = mkdtempSync(join(root, "image", ".bench-"));
  try {
    return timed(["cp", "-a", join(root, "image", conf), to]);
  } finally {
    rmSync(to, { recursive: true, force: true });
  }
}

function timed([program, ...args]) {
  const start = performance.now();
  const { status } = spawnSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(1);
  return (performance.now() - start) / 1000;
}
