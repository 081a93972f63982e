// The manifest of a tree, by the very program that a restore stick compares a disk with.
import { closeSync, existsSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { resolveIn } from "../rootfs/paths.ts";
import { inTools, type Sandbox } from "../sandbox.ts";

/** Writes the lines of tree-manifest for the tree `image` into the file `to`; `own` is the image of the stick. */
export async function manifestOf(o: { image: string; own: string; to: string; sandbox: Sandbox }): Promise<void> {
  const program = resolveIn(o.own, "/usr/local/sbin/tree-manifest");
  if (!existsSync(program)) throw new UserError("stick.scriptlet", "the image of the stick lacks the scriptlet `restore`", { hint: 'scriptlets: ["restore", …],' });
  const out = openSync(o.to, "w");
  try {
    await inTools(o.sandbox, {
      argv: ["sh", join("/in", "tree-manifest"), "/image"],
      binds: [{ from: o.image, to: "/image", ro: true }, { from: dirname(program), to: "/in", ro: true }],
      stdout: out, what: "could not list the files of the image",
    });
  } finally {
    closeSync(out);
  }
}
