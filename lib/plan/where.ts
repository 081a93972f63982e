// From a stack to the line of the user's .ts file. Bundles are evaluated under a name of their own (`debcast:base/ssh`), so their
// frames are told apart from ours, and a source map is only read when somebody asks for a line.
import { SourceMap } from "node:module";
import { join } from "node:path";
import { types } from "node:util";
import { Mistakes, UserError, type Where } from "../errors.ts";

/** What is known of one evaluated bundle. */
export interface Traced {
  /** Name that its frames carry. */
  readonly id: string;
  /** Directory that the sources in the map are relative to. */
  readonly root: string;
  readonly map: string;
  /** Shown when no frame is found. */
  readonly file: string;
  readonly scriptlet?: string;
}

/** Finds places of one bundle in errors. */
export function tracer(t: Traced): (error: unknown) => Where {
  let map: SourceMap | undefined;
  const frame = new RegExp(`${t.id.replace(/[.+]/g, "\\$&")}:(\\d+):(\\d+)`);
  const named = t.scriptlet === undefined ? {} : { scriptlet: t.scriptlet };
  return (error) => {
    const m = frame.exec(stackOf(error));
    if (!m) return { file: t.file, ...named };
    map ??= new SourceMap(JSON.parse(t.map) as ConstructorParameters<typeof SourceMap>[0]);
    const found = map.findEntry(Number(m[1]) - 1, Number(m[2]) - 1);
    if (!("originalSource" in found)) return { file: t.file, ...named };
    return { file: join(t.root, found.originalSource), line: found.originalLine + 1, column: found.originalColumn + 1, ...named };
  };
}

/** A place that is looked up only when it is read: planning 1,000 scriptlets takes thousands of places, and shows none. */
export function lazyWhere(find: () => Where): Where {
  let found: Where | undefined;
  const get = () => (found ??= find());
  return {
    get file() { return get().file; },
    get line() { return get().line; },
    get column() { return get().column; },
    get scriptlet() { return get().scriptlet; },
  };
}

/**
 * What a user is shown when code of theirs threw `error`: mistakes that speak for themselves as they are, with a place if they
 * lack one; anything else as what the scriptlet threw, with its line and no stack.
 */
export function asMistake(error: unknown, whereOf: (error: unknown) => Where): UserError | Mistakes {
  if (error instanceof Mistakes) return error;
  if (error instanceof UserError) {
    if (error.where) return error;
    const { code, message, hint, details, cause, exit } = error;
    return new UserError(code, message, { where: whereOf(error), hint, details, cause, exit });
  }
  const where = whereOf(error);
  return new UserError("scriptlet.threw", `${where.scriptlet ? "the scriptlet" : "the conf"} threw ${thrown(error)}`, { where, cause: error });
}

/** Errors of another vm context are no instances of our Error. */
function isError(e: unknown): e is Error {
  return types.isNativeError(e);
}

function thrown(e: unknown): string {
  if (isError(e)) return `\`${e.name}: ${e.message}\``;
  return typeof e === "string" ? `\`${e}\`` : `a value that is no Error`;
}

function stackOf(e: unknown): string {
  return isError(e) || e instanceof Error ? String(e.stack ?? "") : "";
}
