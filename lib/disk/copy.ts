// A copy of a disk, whose holes are holes again.
import { renameSync, rmSync } from "node:fs";
import { run } from "../run.ts";
import { partOf } from "./own.ts";

/** `to` appears when it is whole; `change` gets it before that, under another name. */
export async function copyDisk(from: string, to: string, change: (part: string) => Promise<void> = async () => {}): Promise<void> {
  const part = partOf(to);
  try {
    await run(["cp", "--reflink=auto", "--sparse=always", "--", from, part], { what: "could not copy the disk" });
    await change(part);
    renameSync(part, to);
  } finally {
    rmSync(part, { force: true });
  }
}
