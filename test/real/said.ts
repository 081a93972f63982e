// What the command said, without what differs from run to run: directories, times, the lines of stages, versions.
import { relative } from "node:path";
import { engineRoot } from "../../lib/engine.ts";

const stages = "load|lock|check|types|fetch|tools|packages|run|settle|finish|image|tar";

/** stderr or stdout of a run in `dir`, fit for a snapshot. */
export function said(text: string, dir: string): string {
  return text
    .replaceAll(dir, "PROJECT")
    .replaceAll(engineRoot, "ENGINE")
    // A place near by is shown as seen from there.
    .replaceAll(`${relative(dir, engineRoot)}/base/`, "ENGINE/base/")
    .replace(/(ENGINE\/[\w./-]+):\d+:\d+/g, "$1:LINE")
    .replace(new RegExp(`^(?:${stages}) +[\\d.]+ (?:ms|s|min).*\\n`, "gm"), "")
    .replace(/https?:\/\/[^\s`"]+?(:?)(?=[\s`"]|$)/gm, "URL$1")
    .replace(/\bin \d[\d.]* (?:ms|s)\b/g, "in TIME")
    .replace(/\b\d[\d.]* [kMG]?B\b/g, "SIZE")
    .replace(/\b\d+ paths\b/g, "N paths")
    .trim();
}

/** A conf of minbase and the scriptlets given: it is built in a few seconds. */
export function smallConf(scriptlets: readonly string[] = [], more = ""): string {
  return `import { defineImage } from "debcast";
export default defineImage({ suite: "trixie", arch: "amd64", hostname: "small", scriptlets: ${JSON.stringify(scriptlets)}, ${more} });
`;
}
