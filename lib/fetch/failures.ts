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
  const errors = [];
  const hint = "run `debcast fetch` while online";
  for (const damaged of [true, false]) {
    const labels = missing.filter((m) => m.damaged === damaged).map((m) => m.item.label);
    if (labels.length === 0) continue;
    const state = damaged ? "damaged (its SHA-256 is not the locked one)" : "not in downloads/";
    const message = `${subject(labels)} ${labels.length > 1 && !damaged ? "are" : labels.length > 1 ? "are each" : "is"} ${state}, and offline nothing is fetched`;
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
  if (worst === "unreachable") return `unreachable ${f.failures.map((x) => `${new URL(x.url).origin} ${x.kind} ${x.message}`).join()}`;
  return f.item.to;
}

function groupError(group: readonly FailedItem[]): UserError {
  const first = group[0]!;
  const worst = worstOf(first.failures);
  const labels = group.map((f) => f.item.label);
  const hint = first.item.hint;
  const was = group.some((f) => f.damaged) ? " (what is in downloads/ is damaged)" : "";
  const seen = group.length === 1 ? addresses(first.failures) : list(labels);
  switch (worst?.kind ?? "absent") {
    case "absent":
      return new UserError("fetch.gone", `${subject(labels)} ${labels.length > 1 ? "are" : "is"} gone from every mirror tried${was}`, { hint, details: seen });
    case "unreachable": {
      const origins = first.failures.map((f) => `\`${new URL(f.url).origin}\`: ${f.kind === "absent" ? "does not have it" : f.message}`);
      const details = [...new Set(origins)].join("\n") + (labels.length > 1 ? `\nwanted: ${list(labels, ", ")}` : "");
      return new UserError("fetch.unreachable", `${subject(labels)} could not be fetched, no mirror answers${was}`, { details });
    }
    default:
      return new UserError(codes[worst!.kind], `\`${first.item.label}\` could not be fetched: ${worst!.message}${was}`, { details: seen, hint: advice(worst!.kind) });
  }
}

function advice(kind: FailureKind): string | undefined {
  if (kind !== "size" && kind !== "content") return undefined;
  return "the mirror is wrong or being changed: try again later, or another one with `--mirror`";
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
