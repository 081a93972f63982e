// What differs between two locks, and the refusal of any difference.
import { UserError } from "../errors.ts";
import type { Lock, LockedDeb } from "../lock.ts";
import type { Plan } from "./plan.ts";

export interface Change {
  readonly name: string;
  /** Version before; none when it was added. */
  readonly from?: string;
  /** Version after; none when it was removed. */
  readonly to?: string;
  /** Bytes of .deb. */
  readonly sizeDelta?: number;
}

/** By name. A package is added or removed for the image and for the tools alike. */
export function changesBetween(before: Lock | undefined, after: Lock): Change[] {
  const found = new Map<string, Change>();
  for (const role of ["image", "tools"] as const) {
    const [old, now] = [byName(before?.debs ?? [], role), byName(after.debs, role)];
    for (const name of new Set([...old.keys(), ...now.keys()])) {
      const [a, b] = [old.get(name), now.get(name)];
      if (a && b && a.version === b.version && a.sha256 === b.sha256) continue;
      const sizeDelta = (b?.size ?? 0) - (a?.size ?? 0);
      found.set(name, { name, ...(a && { from: a.version }), ...(b && { to: b.version }), sizeDelta, ...found.get(name) });
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function byName(debs: readonly LockedDeb[], role: "image" | "tools"): Map<string, LockedDeb> {
  return new Map(debs.filter((d) => d.roles.includes(role)).map((d) => [d.name, d]));
}

/** Throws when there is anything to change. */
export function refuseChanges(changes: readonly Change[], o: { plan: Plan }): void {
  if (changes.length === 0) return;
  const describe = (c: Change) => (c.to === undefined && c.from !== undefined ? `removed  ${c.name}` : c.from === undefined ? `added    ${c.name}` : `moved    ${c.name}`);
  const shown = changes.slice(0, 20).map(describe);
  const rest = changes.length > shown.length ? [`and ${changes.length - shown.length} more`] : [];
  throw new UserError("lock.locked", `the lock of \`${o.plan.conf.name}\` does not say what the scriptlets ask for, and \`--locked\` lets nothing be changed`, {
    details: [...shown, ...rest].join("\n"),
    hint: `debcast lock -c ${o.plan.conf.name}`,
  });
}
