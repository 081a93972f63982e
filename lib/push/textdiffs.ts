// How texts on a device differ from those of the image, as diff(1) says it.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PathChange } from "../inspect/compare.ts";
import { asOwner } from "../namespace.ts";
import { collect, shellQuote } from "../run.ts";
import { printable } from "../store/ar.ts";
import type { Connection } from "./connection.ts";
import { asBytes, type Items } from "./inventory.ts";

/** Nobody reads more than that. */
const largest = 256 << 10;

/** One text for each path whose content differs and that is text; what cannot be shown says why. `image` is the directory of an image. */
export async function textDiffs(connection: Connection, changes: readonly PathChange[], o: { image: string; items: Items }): Promise<string[]> {
  const texts: string[] = [];
  for (const change of changes.filter((c) => c.change !== "changed" || c.what.some((d) => d.aspect === "content"))) {
    const text = await textDiff(connection, change, o);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

async function textDiff(connection: Connection, { path, change }: PathChange, { image, items }: { image: string; items: Items }): Promise<string | undefined> {
  const item = items.get(asBytes(path));
  const secret = `${printable(path)}: its content is not shown, for not everybody may read it`;
  if (item?.type === "f" && (item.mode & 0o004) === 0) return secret;
  const then = item?.type === "f" ? await contentOf(image, path, item.content) : "";
  if (then === undefined) return `${printable(path)}: its content is not shown, for this machine has another image by now`;
  const now = change === "removed" ? "" : await contentOn(connection, path);
  if (now === undefined) return secret;
  if ([then, now].some((t) => t.includes("\0") || t.length > largest) || then === now) return undefined;
  const dir = mkdtempSync(join(tmpdir(), "debcast-"));
  try {
    writeFileSync(join(dir, "then"), then, "latin1");
    writeFileSync(join(dir, "now"), now, "latin1");
    const labels = [change === "added" ? "/dev/null" : `image${path}`, change === "removed" ? "/dev/null" : `device${path}`];
    const { stdout } = await collect(["diff", "-u", ...labels.flatMap((l) => ["--label", printable(l)]), join(dir, "then"), join(dir, "now")]);
    return stdout.trimEnd().split("\n").map((line) => line.split("\t").map(printable).join("\t")).join("\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Undefined when it is not for everybody; empty when it is no file. */
async function contentOn({ run }: Connection, path: string): Promise<string | undefined> {
  const name = shellQuote([path]);
  const { stdout } = await run(`[ -f ${name} ] && [ ! -L ${name} ] || { echo; exit; }; case $(stat -c %A -- ${name}) in ???????r*) echo; head -c ${largest + 1} -- ${name};; esac`, { encoding: "latin1" });
  return stdout === "" ? undefined : stdout.slice(1);
}

/** Of a file of the image as it is now, if it is what it was then. */
async function contentOf(image: string, path: string, sha256: string): Promise<string | undefined> {
  if (!existsSync(image)) return undefined;
  const { code, stdout } = await collect(asOwner(["cat", join(image, path)]), ".", "latin1");
  return code === 0 && createHash("sha256").update(stdout, "latin1").digest("hex") === sha256 ? stdout : undefined;
}
