// Runs a bundle in a vm context with the language and nothing else: no process, no console, no timers, no code from strings.
import vm from "node:vm";

export function newContext(): vm.Context {
  const context = vm.createContext({}, { codeGeneration: { strings: false, wasm: false } });
  // The frame that a user wants to see may lie below many of a helper's.
  vm.runInContext("Error.stackTraceLimit = 50", context);
  return context;
}

export interface Evaluation {
  readonly code: string;
  /** Name that its frames carry in stacks. */
  readonly id: string;
  readonly context: vm.Context;
  /** What `import … from "debcast"` gives. */
  readonly debcast: object;
}

/** The exports of a bundle. What its code throws comes through as it is. */
export function evaluate(e: Evaluation): Record<string, unknown> {
  const module = { exports: {} as Record<string, unknown> };
  const body = vm.compileFunction(e.code, ["module", "exports", "require"], { filename: e.id, parsingContext: e.context });
  // The rules for imports let nothing else through.
  (body as (...args: unknown[]) => void)(module, module.exports, () => e.debcast);
  return module.exports;
}
