// What one scriptlet has said so far: filled by its debcast module while it loads, then sealed.
import type { FileSteps, Steps } from "../api.ts";
import { UserError, type Where } from "../errors.ts";
import type { Bundle } from "./bundle.ts";
import type { Source } from "./catalogue.ts";
import type { Edge } from "./graph.ts";
import type { Conf, PlannedBootTest, PlannedDeb, PlannedDownload, PlannedScriptlet } from "./plan.ts";
import { lazyWhere, tracer } from "./where.ts";
import { secretName } from "./values.ts";

export interface ScriptletRecord {
  readonly name: string;
  readonly source: Source;
  readonly bundle: Bundle;
  readonly needs: Edge[];
  readonly afters: Edge[];
  readonly debs: PlannedDeb[];
  readonly debconf: { text: string; where: Where }[];
  readonly excludes: { glob: string; where: Where }[];
  readonly downloads: PlannedDownload[];
  readonly secrets: Set<string>;
  readonly confReads: Set<string>;
  readonly before: ((c: FileSteps) => void)[];
  readonly run: ((c: Steps) => void | PromiseLike<void>)[];
  readonly runLast: ((c: Steps) => void | PromiseLike<void>)[];
  readonly bootTests: PlannedBootTest[];
  readonly whereOf: (error: unknown) => Where;
  options: boolean;
  /** Whether it is being loaded: no call counts before or after. */
  open: boolean;
  exports: unknown;
}

export function newRecord(source: Source, bundle: Bundle): ScriptletRecord {
  const { name, file, root } = source;
  return {
    name, source, bundle,
    needs: [], afters: [], debs: [], debconf: [], excludes: [], downloads: [], before: [], run: [], runLast: [], bootTests: [],
    secrets: new Set(), confReads: new Set(),
    whereOf: tracer({ id: bundleId(source), root, map: bundle.map, file, scriptlet: name }),
    options: false, open: true, exports: undefined,
  };
}

/** The name that frames of a scriptlet carry in stacks. */
export function bundleId(source: Source): string {
  return `debcast:base/${source.name}`;
}

/** Where the scriptlet's code is right now; looked up when somebody wants to know. */
export function here(r: ScriptletRecord): Where {
  const error = new Error();
  return lazyWhere(() => r.whereOf(error));
}

/** The record as part of the plan. Who reads the users reads their passwords' names. */
export function sealed(r: ScriptletRecord, conf: Conf): PlannedScriptlet {
  const passwords = r.confReads.has("users") ? conf.users.flatMap((u) => secretName(u.password) ?? []) : [];
  return {
    name: r.name, file: r.source.file, folder: r.source.folder,
    needs: r.needs, debs: r.debs, debconf: r.debconf, excludes: r.excludes, downloads: r.downloads,
    secrets: [...new Set([...r.secrets, ...passwords])].sort(),
    // Functions that are run later may read more.
    get confReads() {
      return [...r.confReads, ...(r.options ? ["options"] : [])].sort();
    },
    inputs: r.bundle.inputs, bundle: r.bundle.sha256,
    before: r.before, run: r.run, runLast: r.runLast, bootTests: r.bootTests, whereOf: r.whereOf,
  };
}

/** A call that is made once the scriptlet is loaded, from run() say. */
export function mustBeOpen(r: ScriptletRecord, what: string): void {
  if (r.open) return;
  throw new UserError("load.late", `\`${what}\` was called after loading, when the plan is made already`, {
    where: here(r),
    hint: `call it at the top level of base/${r.name}.ts`,
  });
}
