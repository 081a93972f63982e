// The same for several devices at once: each has its own result, and none waits for another's.
import pLimit from "p-limit";
import { UserError } from "../errors.ts";
import type { Device } from "./devices.ts";

export type Result<T> = { readonly device: Device; readonly value: T } | { readonly device: Device; readonly error: UserError };

/** `work` for all of them, no more than `jobs` at a time, in the order in which they are given. What is no failure of a device's is thrown. */
export async function eachDevice<D extends { readonly device: Device }, T>(them: readonly D[], jobs: number, work: (one: D) => Promise<T>): Promise<Result<T>[]> {
  const limit = pLimit(jobs);
  return Promise.all(them.map((one) => limit(async () => {
    try {
      return { device: one.device, value: await work(one) };
    } catch (e) {
      if (e instanceof UserError) return { device: one.device, error: e };
      throw e;
    }
  })));
}
