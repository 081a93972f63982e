// passwd(5) and group(5) of the image.
import { readFileSync } from "node:fs";
import { resolveIn } from "./paths.ts";

/** Names and their ids. */
export function readIds(root: string, file: "passwd" | "group"): Map<string, number> {
  return new Map(readRows(root, file).map((f) => [f[0]!, Number(f[2])]));
}

/** The fields of each line of `/etc/FILE`. */
export function readRows(root: string, file: "passwd" | "group" | "shadow" | "gshadow"): string[][] {
  return readFileSync(resolveIn(root, `/etc/${file}`), "utf8").split("\n").filter((l) => l.includes(":")).map((l) => l.split(":"));
}
