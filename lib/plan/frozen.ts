// Data that scriptlets may read and nobody may change.

/** Freezes plain lists and objects all the way down; opaque values are frozen already. */
export function deepFrozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFrozen(inner);
  return Object.freeze(value);
}
