// The bench's command line.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const known = {
  runs: { type: "string", default: "5" },
  quick: { type: "boolean", default: false },
  only: { type: "string", default: "" },
  rivals: { type: "string", default: "" },
  dir: { type: "string" },
  list: { type: "boolean", default: false },
  "closure-list": { type: "boolean", default: false },
  out: { type: "string", default: `${here}/out` },
  engine: { type: "string", default: here },
  seed: { type: "string", default: "1" },
  keep: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
};

export const usage = `make bench ARGS="…", or node test/bench/bench.mjs …

  --runs N            runs of everything (default 5)
  --quick             one run
  --only NAME,…       these scenarios or groups alone; --list names them
  --rivals NAME,…     against these alone: mmdebstrap, debootstrap, mkosi; \`none\` for none
  --closure-list      rivals get a package list of the closure alone, instead of the archive's
  --dir DIR           scratch directory, kept for the next time (default: one of its own below the temporary directory, removed)
  --keep              do not remove the scratch directory
  --out DIR           where bench.json and bench.svg go (default: out/)
  --engine DIR        measure the debcast that lies there (default: this one)
  --seed N            of the random package sets
  --list, --help
`;

/** Throws a message for the user. */
export function parseOptions(argv) {
  const { values } = parseArgs({ args: argv, options: known });
  const runs = values.quick ? 1 : Number(values.runs);
  const seed = Number(values.seed);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs wants a number from 1, not \`${values.runs}\``);
  if (!Number.isInteger(seed)) throw new Error(`--seed wants a number, not \`${values.seed}\``);
  return { ...values, runs, seed, only: words(values.only), rivals: words(values.rivals) };
}

function words(text) {
  return text.split(",").filter((w) => w !== "");
}
