// What a user reads when files could not be fetched: everything at once, and one cause said once.
import { UserError } from "../errors.ts";
import type { FetchItem } from "./download.ts";
import type { Failure, FailureKind } from "./http.ts";

export interface FailedItem {
  readonly item: FetchItem;
  readonly failures: readonly Failure[];
  /** Whether a file is there whose content is wrong. */
  readonly damaged: boolean;
}

/** Errors for `failed`. Files that are gone, or whose mirrors do not answer, share one error with others of the same fate. */
export function fetchErrors(failed: readonly FailedItem[]): UserError[] {
  const groups = new Map<string, FailedItem[]>();
  for (const f of failed) {
    const key = groupKey(f);
    groups.set(key, [...(groups.get(key) ?? []), f]);
  }
  return [...groups.values()].map(groupError);
}

/** Errors for files that may not be fetched since nothing may touch the network. */
export function offlineErrors(missing: readonly { item: FetchItem; damaged: boolean }[]): UserError[] {
  const errors: UserError[] = [];
  const hint = "run `debcast fetch` while online";
  for (const damaged of [true, false]) {
    const labels = missing.filter((m) => m.damaged === damaged).map((m) => m.item.label);
    if (labels.length === 0) continue;
    const state = damaged ? "damaged (the SHA-256 is not what it should be)" : "not in downloads/";
    const message = `${subject(labels)} ${labels.length > 1 ? "are" : "is"} ${state}, and offline nothing is fetched`;
    errors.push(new UserError(damaged ? "fetch.damaged" : "fetch.missing", message, { hint, details: list(labels) }));
  }
  return errors;
}

/** The error for one small file (an InRelease, say) that no address gave. */
export function smallError(label: string, failures: readonly Failure[], hint?: string): UserError {
  const worst = worstOf(failures);
  const what = worst?.kind === "absent" ? "is not on any mirror tried" : "could not be fetched";
  return new UserError(codes[worst?.kind ?? "absent"], `\`${label}\` ${what}`, { hint, details: addresses(failures) });
}

const codes: Record<FailureKind, string> = {
  absent: "fetch.gone",
  unreachable: "fetch.unreachable",
  transient: "fetch.failed",
  range: "fetch.failed",
  refused: "fetch.refused",
  size: "fetch.wrong-size",
  content: "fetch.wrong-content",
};

/** From what says least about the file to what says most. */
const order: readonly FailureKind[] = ["absent", "unreachable", "refused", "range", "transient", "size", "content"];

function worstOf(failures: readonly Failure[]): Failure | undefined {
  return [...failures].sort((a, b) => order.indexOf(b.kind) - order.indexOf(a.kind))[0];
}

function groupKey(f: FailedItem): string {
  const worst = worstOf(f.failures)?.kind ?? "absent";
  if (worst === "absent") return `gone ${f.item.hint}`;
  if (worst === "size" || worst === "content") return f.item.to;
  return reasonsByMirror(f.failures).join();
}

function groupError(group: readonly FailedItem[]): UserError {
  const { item, failures } = group[0]!;
  const kind = worstOf(failures)?.kind ?? "absent";
  const labels = group.map((f) => f.item.label);
  const was = group.some((f) => f.damaged) ? " (what is in downloads/ is damaged)" : "";
  const many = labels.length > 1;
  if (kind === "absent") {
    const details = many ? list(labels) : addresses(failures);
    return new UserError(codes[kind], `${subject(labels)} ${many ? "are" : "is"} gone from every mirror tried${was}`, { hint: item.hint, details });
  }
  const wrong = kind === "content" || kind === "size";
  const what = wrong ? `: what came has the wrong ${kind}` : "";
  const expected = `expected: ${item.size === undefined ? "" : `${item.size} bytes, `}SHA-256 ${item.sha256}\n`;
  const seen = many ? `${reasonsByMirror(failures).join("\n")}\nwanted: ${list(labels, ", ")}` : addresses(failures);
  return new UserError(codes[kind], `${subject(labels)} could not be fetched${what}${was}`, { details: `${wrong ? expected : ""}${seen}`, hint: hints[kind] });
}

const elsewhere = "another mirror can be named with `--mirror`";
const hints: Record<Exclude<FailureKind, "absent">, string> = {
  unreachable: `look at the network; ${elsewhere}`,
  transient: `try again, what has come so far is kept; ${elsewhere}`,
  range: `try again; ${elsewhere}`,
  refused: elsewhere,
  size: `the mirror is wrong or being changed: try again later; ${elsewhere}`,
  content: `the mirror is wrong or being changed: try again later; ${elsewhere}`,
};

function reasonsByMirror(failures: readonly Failure[]): string[] {
  return [...new Set(failures.map((f) => `${new URL(f.url).origin}: ${f.message}`))];
}

function subject(labels: readonly string[]): string {
  return labels.length === 1 ? `\`${labels[0]}\`` : `${labels.length} files`;
}

function addresses(failures: readonly Failure[]): string | undefined {
  return failures.map((f) => `${f.url}: ${f.message}`).join("\n") || undefined;
}

function list(labels: readonly string[], separator = "\n"): string | undefined {
  if (labels.length < 2) return undefined;
  const shown = labels.slice(0, 10);
  return [...shown, ...(labels.length > shown.length ? [`and ${labels.length - shown.length} more`] : [])].join(separator);
}
