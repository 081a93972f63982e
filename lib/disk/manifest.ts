// The manifest of a tree, by the very programs that a restore stick compares a disk with: those of its own image.
import { closeSync, existsSync, openSync } from "node:fs";
import { UserError } from "../errors.ts";
import { resolveIn } from "../rootfs/paths.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";

const program = "/usr/local/sbin/tree-manifest";

/** Writes the lines of tree-manifest for the tree `image` into the file `to`; `own` is the image of the stick. */
export async function manifestOf(o: { image: string; own: string; to: string; sandbox: Sandbox }): Promise<void> {
  if (!existsSync(resolveIn(o.own, program))) throw new UserError("stick.scriptlet", "the image of the stick lacks the scriptlet `restore`", { hint: 'scriptlets: ["restore", …],' });
  const stdout = openSync(o.to, "w");
  try {
    await inSandbox(o.sandbox, o.own, { argv: [program, "/mnt"], sees: o.image, stdout, what: "could not list the files of the image" });
  } finally {
    closeSync(stdout);
  }
}
