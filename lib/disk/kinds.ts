// The forms that a disk is given out in, told by the suffix.
import { existsSync, renameSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { UserError } from "../errors.ts";
import { run } from "../run.ts";
import { inTools, type Sandbox } from "../sandbox.ts";
import { partOf } from "./own.ts";

export type Kind = "img" | "zst" | "qcow2";

export function kindOf(file: string): Kind {
  if (file.endsWith(".img")) return "img";
  if (file.endsWith(".img.zst")) return "zst";
  if (file.endsWith(".qcow2")) return "qcow2";
  throw new UserError("disk.suffix", `\`${basename(file)}\` has no suffix that says what kind of disk it is`, { hint: "use one of .img, .img.zst, .qcow2" });
}

/** By the zstd of the tools tree, on all processors. */
export async function compress(raw: string, to: string, sandbox: Sandbox): Promise<void> {
  const part = partOf(to);
  await inTools(sandbox, {
    argv: ["zstd", "-q", "-f", "-T0", "--long=27", `/in/${basename(raw)}`, "-o", `/out/${basename(part)}`],
    binds: [{ from: dirname(raw), to: "/in", ro: true }, { from: dirname(to), to: "/out" }], what: "could not compress the disk",
  });
  renameSync(part, to);
}

/** By this machine's qemu-img: what the disk holds is the same, however the program numbers its clusters. */
export async function toQcow2(raw: string, to: string): Promise<void> {
  if (!existsSync("/usr/bin/qemu-img")) throw new UserError("disk.qemu-img", "this machine lacks `qemu-img`, which writes .qcow2", { hint: "sudo apt-get install qemu-utils" });
  const part = partOf(to);
  rmSync(part, { force: true });
  await run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, part], { what: "could not make the .qcow2" });
  renameSync(part, to);
}
