import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError, exitStatus } from "../errors.ts";
import { keysOf, packagesOf, type Packages } from "../inspect/packages.ts";
import { sizesOf, type Measured } from "../inspect/size.ts";
import { sizesText } from "../inspect/sizetext.ts";
import { readDirectory } from "../inspect/tree.ts";
import { localDebs } from "../localdebs.ts";
import { epochOf, readLock, type Lock } from "../lock.ts";
import { readMade } from "../made.ts";
import type { LocalDebInfo } from "../plan/check.ts";
import type { Plan, PlannedDeb } from "../plan/plan.ts";
import { load, lockFileOf } from "../prepare.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "size",
  usage: "size [--top N]",
  summary: "what makes the image big: by scriptlet, by package, and the largest files",
  options: { top: { type: "string", value: "N", help: "how many packages and files to list (default: 15)" } },
  namespaces: true,
  run: async (c: Context): Promise<Outcome> => {
    const top = topOf(c.options.top);
    const { plan, conf } = await load(c);
    const image = join(c.project.imageDir, conf.name);
    if (!existsSync(image)) throw new UserError("size.no-image", `\`${conf.name}\` has not been built`, { hint: "debcast image" });
    const lock = readLock(lockFileOf(conf));
    const ours = (await localDebs({ project: c.project, plan, epoch: lock ? epochOf(lock) : 0 })).map((l) => l.info);
    const tree = readDirectory(image);
    const packages = packagesOf(tree);
    const sizes = sizesOf({ tree, packages, made: readMade(c.project, conf.name), scriptlets: asked(plan, { packages, lock, ours }) });
    const data = { ...sizes, largest: sizes.largest.slice(0, top) };
    return { text: sizesText(sizes, { name: conf.name, top }), data };
  },
};

interface Known {
  readonly packages: Packages;
  readonly lock: Lock | undefined;
  /** Packages of the project's own. */
  readonly ours: readonly LocalDebInfo[];
}

/** Which packages each scriptlet asks for, by the names that they have in the image. */
export function asked(plan: Pick<Plan, "scriptlets">, known: Known): Measured["scriptlets"] {
  const keys = keysOf(known.packages);
  return plan.scriptlets.map((s) => ({
    name: s.name,
    packages: s.debs.flatMap((d) => {
      const name = nameOf(d, known);
      return name === undefined ? [] : [keys.get(name) ?? name];
    }),
  }));
}

function nameOf(d: PlannedDeb, { lock, ours }: Known): string | undefined {
  switch (d.kind) {
    case "name":
      return d.arch === undefined ? d.name : `${d.name}:${d.arch}`;
    case "pattern":
      return lock?.patterns.get(d.spec);
    case "build":
      return d.control.name;
    case "file":
      return (ours.find((o) => o.spec === d.spec && o.where.file === d.where.file) ?? ours.find((o) => o.spec === d.spec))?.name;
    default:
      return d satisfies never;
  }
}

function topOf(value: unknown): number {
  if (value === undefined) return 15;
  if (/^[1-9]\d{0,6}$/.test(String(value))) return Number(value);
  throw new UserError("usage", `\`--top\` wants a number from 1 on, not \`${String(value)}\``, { hint: "debcast size --top 30", exit: exitStatus.usage });
}
