// The only module that prints. stdout is data; progress, notes and errors go to stderr. On a terminal the stage under way
// has one live line; elsewhere each stage is one plain line when it ends.
import { writeFileSync } from "node:fs";
import { Mistakes, UserError } from "./errors.ts";
import type { Event, StageName } from "./events.ts";
import { formatBytes, formatTime, formatWhere } from "./format.ts";

export interface ReportOptions {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number };
  readonly env: NodeJS.ProcessEnv;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  /** A file for a Chrome trace. */
  readonly trace?: string | undefined;
  /** Hides secrets in all that is printed or traced. */
  readonly mask?: (text: string) => string;
  /** Makes the commands in hints complete. */
  readonly address?: (text: string) => string;
}

export interface Report {
  emit(event: Event): void;
  /** Text or JSON for stdout. */
  data(text: string): void;
  error(e: unknown): void;
  /** Ends the live line and writes the trace. */
  close(): void;
  setMask(mask: (text: string) => string): void;
}

export function createReport(o: ReportOptions): Report {
  const live = o.stderr.isTTY === true && !o.quiet && !o.json;
  const paint = painter(o.stderr.isTTY === true && !o.env.NO_COLOR);
  const starts = new Map<StageName, number>();
  const spans: TraceSpan[] = [];
  let mask = o.mask ?? ((t: string) => t);
  const devices = new Map<string, string>();
  let shown = 0;
  const say = (text: string) => o.stderr.write(mask(text));
  const clearLine = () => {
    if (shown > 0) o.stderr.write(`\r${shown > 1 ? `\x1b[${shown - 1}A` : ""}\x1b[J`);
    shown = 0;
  };
  const line = (text: string) => {
    clearLine();
    say(`${text}\n`);
    liveDevices();
  };
  const liveLines = (lines: readonly string[]) => {
    clearLine();
    say(lines.map((text) => text.slice(0, (o.stderr.columns || 80) - 1)).join("\n"));
    shown = lines.length;
  };
  const liveLine = (text: string) => liveLines([text]);
  const liveDevices = () => {
    if (!live || devices.size === 0) return;
    const room = Math.max(1, (o.stderr.rows || 24) - 2);
    const rows = [...devices].map(([name, text]) => `${name.padEnd(10)} ${text}`);
    liveLines(rows.length <= room ? rows : [...rows.slice(0, room - 1), `… and ${rows.length - room + 1} more`]);
  };

  const deviceEvent = (e: Extract<Event, { type: "device" }>) => {
    if (e.state === "working") {
      devices.set(e.name, e.text);
      return liveDevices();
    }
    devices.delete(e.name);
    if (o.quiet || o.json) return;
    line(`${paint.bold(e.name.padEnd(10))} ${e.state === "failed" ? `${paint.red("failed:")} ` : ""}${e.text}`);
  };

  const stageEnd = (e: Extract<Event, { type: "stage-end" }>) => {
    const start = starts.get(e.stage) ?? performance.now();
    const ms = performance.now() - start;
    spans.push({ name: e.stage, lane: "stages", start, end: start + ms });
    if (o.quiet || o.json || (ms < 20 && !e.text && !o.verbose)) return;
    const rate = e.bytes && ms > 100 ? `, ${formatBytes((e.bytes / ms) * 1000)}/s` : "";
    line(`${paint.bold(e.stage.padEnd(10))} ${formatTime(ms).padStart(7)}  ${e.text ?? ""}${rate}`);
  };

  const emit = (e: Event): void => {
    switch (e.type) {
      case "stage-start":
        starts.set(e.stage, performance.now());
        if (live) liveLine(`${e.stage} …`);
        return;
      case "stage-end":
        return stageEnd(e);
      case "progress":
        if (live) liveLine(progressLine(e, starts.get(e.stage) ?? performance.now()));
        return;
      case "span":
        spans.push(e);
        return;
      case "device":
        return deviceEvent(e);
      case "note":
        if (!o.quiet && !o.json) line(e.text);
        return;
      case "warning":
        line(`${paint.yellow("warning:")} ${e.text}${e.hint ? `\n\n${paint.cyan("hint:")} ${e.hint}` : ""}`);
        return;
      default:
        e satisfies never;
    }
  };

  return {
    emit,
    data: (text) => {
      clearLine();
      o.stdout.write(mask(text.endsWith("\n") || text === "" ? text : `${text}\n`));
    },
    error: (e) => {
      clearLine();
      const all = flatten(e).map((one) => withHint(one, o.address));
      if (o.json) say(`${JSON.stringify({ errors: all.map(errorData) })}\n`);
      else say(`${all.map((one) => renderError(one, paint)).join("\n\n")}\n`);
    },
    close: () => {
      clearLine();
      if (o.trace) writeFileSync(o.trace, mask(chromeTrace(spans)));
    },
    setMask: (m) => {
      mask = m;
    },
  };
}

// ── Errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Painter {
  bold(t: string): string;
  red(t: string): string;
  yellow(t: string): string;
  cyan(t: string): string;
}

function painter(colour: boolean): Painter {
  const with_ = (code: number) => (t: string) => (colour ? `\x1b[${code}m${t}\x1b[0m` : t);
  return { bold: with_(1), red: with_(31), yellow: with_(33), cyan: with_(36) };
}

/** What a user reads when `e` was thrown: every mistake with place, reason and hint; a bug with its stack. */
export function renderErrors(e: unknown, paint: Painter = painter(false)): string {
  return flatten(e).map((one) => renderError(one, paint)).join("\n\n");
}

function renderError(e: unknown, paint: Painter): string {
  if (!(e instanceof UserError)) {
    const stack = e instanceof Error ? (e.stack ?? e.message) : String(e);
    return `${paint.red("bug:")} ${stack}\n\n${paint.cyan("hint:")} this is a mistake in debcast itself; please report it with the lines above`;
  }
  const at = e.where ? `${formatWhere(e.where)}: ` : "";
  const details = e.details ? `\n${e.details.replace(/^/gm, "  ")}` : "";
  const hint = e.hint ? `\n\n${paint.cyan("hint:")} ${e.hint.replaceAll("\n", "\n      ")}` : "";
  return `${paint.red("error:")} ${at}${e.message}${details}${hint}`;
}

function flatten(e: unknown): readonly unknown[] {
  return e instanceof Mistakes ? e.all : [e];
}

function withHint(e: unknown, address: ReportOptions["address"]): unknown {
  if (!address || !(e instanceof UserError) || e.hint === undefined) return e;
  return new UserError(e.code, e.message, { where: e.where, hint: address(e.hint), details: e.details });
}

function errorData(e: unknown): object {
  if (!(e instanceof UserError)) return { code: "bug", message: e instanceof Error ? e.stack : String(e) };
  return { code: e.code, message: e.message, where: e.where, hint: e.hint, details: e.details };
}

// ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────────

function progressLine(e: Extract<Event, { type: "progress" }>, start: number): string {
  const share = e.total > 0 ? Math.min(1, e.done / e.total) : 0;
  const bar = "█".repeat(Math.round(share * 24)).padEnd(24, "·");
  if (e.unit === "packages") return `${e.stage.padEnd(10)} ${bar} ${e.done}/${e.total} ${e.label ?? ""}`;
  const seconds = (performance.now() - start) / 1000;
  const rate = seconds > 0.2 ? e.done / seconds : 0;
  const speed = rate > 0 ? `, ${formatBytes(rate)}/s, ${formatTime(((e.total - e.done) / rate) * 1000)} left` : "";
  return `${e.stage.padEnd(10)} ${bar} ${formatBytes(e.done)} of ${formatBytes(e.total)}${speed}`;
}

// ── Trace ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface TraceSpan {
  name: string;
  lane: string;
  start: number;
  end: number;
}

/** The trace event format that Chrome's tracing page and Perfetto read: complete events, times in microseconds. */
function chromeTrace(spans: readonly TraceSpan[]): string {
  const lanes = [...new Set(spans.map((s) => s.lane))];
  const names = lanes.map((name, tid) => ({ ph: "M", name: "thread_name", pid: 1, tid, args: { name } }));
  const events = spans.map((s) => ({
    ph: "X", name: s.name, pid: 1, tid: lanes.indexOf(s.lane), ts: Math.round(s.start * 1000), dur: Math.round((s.end - s.start) * 1000),
  }));
  return JSON.stringify({ traceEvents: [...names, ...events] });
}
