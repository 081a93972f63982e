// What the engine tells while it works. report.ts alone turns these into lines; --trace turns them into a timeline.

export type StageName =
  | "set-up" | "load" | "lock" | "check" | "types" | "fetch" | "unpack" | "tools"
  | "packages" | "run" | "settle" | "finish" | "image" | "tar" | "disk" | "stick" | "connect" | "compare" | "send" | "after" | "reboot" | "clean";

export type Event =
  /** A stage begins; its end carries a short text of what was done (`213 .debs, 190 MB`). */
  | { type: "stage-start"; stage: StageName }
  | { type: "stage-end"; stage: StageName; text?: string; bytes?: number }
  /** How far a stage is. `total` may grow. */
  | { type: "progress"; stage: StageName; done: number; total: number; unit: "bytes" | "packages"; label?: string }
  /** A span inside a stage, for --trace only. Times in ms of performance.now(). */
  | { type: "span"; name: string; lane: string; start: number; end: number }
  /** Where the work on one of several devices is; `working` may be told again and again. */
  | { type: "device"; name: string; state: "working" | "done" | "failed"; text: string }
  | { type: "note"; text: string }
  | { type: "warning"; text: string; hint?: string };

export type Emit = (event: Event) => void;

/** Runs `work` as a stage; `describe` makes the text of its end from the result. */
export async function stage<T>(emit: Emit, name: StageName, work: () => Promise<T>, describe?: (result: T) => string): Promise<T> {
  emit({ type: "stage-start", stage: name });
  const result = await work();
  const text = describe?.(result);
  emit({ type: "stage-end", stage: name, ...(text !== undefined && { text }) });
  return result;
}

/** Runs `work` and tells of it as a span. */
export async function span<T>(emit: Emit, name: string, lane: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await work();
  } finally {
    emit({ type: "span", name, lane, start, end: performance.now() });
  }
}
