// What verbs that speak to devices have in common.
import { UserError, exitStatus } from "../errors.ts";
import { addressed } from "../format.ts";
import type { Result } from "../push/many.ts";
import { renderErrors } from "../report.ts";
import type { Context, Outcome, VerbOption } from "./verb.ts";

export const jobsOption: VerbOption = { type: "string", short: "j", value: "N", help: "so many devices at a time (default: 16)" };

export function jobsOf(given: string | undefined): number {
  if (given === undefined) return 16;
  if (/^[1-9]\d{0,3}$/.test(given)) return Number(given);
  throw new UserError("device.jobs", `\`--jobs ${given}\` is no number of devices`, { hint: "--jobs 4", exit: exitStatus.usage });
}

/** A part for each device, with its error where there is one; status 3 when there is any, or when `bad` says so. */
export function outcomeOf<T>(c: Pick<Context, "options">, results: readonly Result<T>[], o: { text: (value: T, r: Result<T>) => string; data: (value: T) => object; bad?: (value: T) => boolean; summary?: string }): Outcome {
  const failed = results.some((r) => "error" in r || o.bad?.(r.value) === true);
  const parts = results.map((r) => ("error" in r ? errorText(c, r.error) : o.text(r.value, r)));
  const data = results.map((r) => ({ device: r.device.name, host: r.device.host, ...("error" in r ? { error: { code: r.error.code, message: r.error.message, hint: r.error.hint } } : o.data(r.value)) }));
  return { text: [...parts, ...(o.summary === undefined ? [] : [o.summary])].join("\n\n"), data, ...(failed && { code: exitStatus.device }) };
}

/** With commands in its hint that work where this one did. */
export function errorText({ options }: Pick<Context, "options">, e: UserError): string {
  return addressed(renderErrors(e), { conf: options.conf as string | undefined, directory: options.directory as string | undefined });
}
