// Why a link was run again, in the words of those who changed something.
import type { Inputs } from "./shelf.ts";

interface Known {
  readonly name: string;
  readonly inputs: Inputs;
}

/** What differs between the inputs of a link now and in the last build; nothing if only what it stands on does. */
export function changedInputs(now: Known, before: Known | undefined): string[] {
  if (!before) return ["it is new"];
  const differ = [...new Set([...Object.keys(now.inputs), ...Object.keys(before.inputs)])].filter((n) => now.inputs[n] !== before.inputs[n]);
  // That is what comes of the others.
  const others = differ.filter((n) => !/^(code|order) of /.test(n));
  return (others.length > 0 ? others : differ).map((n) => {
    if (before.inputs[n] === undefined) return `${n} is new`;
    return now.inputs[n] === undefined ? `${n} is gone` : `${n} changed`;
  });
}

/** One line: the first things that changed, and how many there are beside. */
export function inShort(changes: readonly string[], most = 2): string {
  if (changes.includes("debcast changed")) return "debcast itself changed";
  const more = changes.length - most;
  return [...changes.slice(0, most), ...(more > 0 ? [`${more} more`] : [])].join(", ");
}
