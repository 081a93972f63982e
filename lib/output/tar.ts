// A tarball of an image: sorted, numeric owners, capabilities and ACLs kept. The tar and the compressors are those of the
// locked tools tree, so the bytes do not depend on the host.
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { inTools, type Sandbox } from "../sandbox.ts";

const compressors: readonly { suffix: string; command?: string }[] = [
  { suffix: ".tar" },
  // Of a system of 750 MB this makes 365 where level 3 makes 353, in three quarters of its time: as small as level 3 of an unsorted tar.
  { suffix: ".tar.zst", command: "zstd -q -T0 -2 --zstd=hashLog=17" },
  // -n: neither name nor time go into the header.
  { suffix: ".tar.gz", command: "gzip -n" },
  // One thread would write one block where several write many: never fewer than two, so that every machine writes the same.
  { suffix: ".tar.xz", command: `xz -T${Math.max(2, availableParallelism())}` },
];

/** Refuses a file name whose suffix says no known compression. */
export function compressorFor(file: string): { suffix: string; command?: string } {
  const found = compressors.find((c) => file.endsWith(c.suffix));
  if (found) return found;
  throw new UserError("tar.suffix", `\`${basename(file)}\` has no suffix that says how to compress it`, {
    hint: `use one of ${compressors.map((c) => c.suffix).join(", ")}`,
  });
}

/** Packs the tree `image` into `file`; returns its size in bytes. The file appears only when it is whole, and `stayed` does not throw. */
export async function packTar(o: { image: string; file: string; sandbox: Sandbox; stayed: () => void }): Promise<number> {
  const { command } = compressorFor(o.file);
  const part = `${o.file}.part`;
  mkdirSync(dirname(o.file), { recursive: true });
  rmSync(part, { force: true });
  try {
    await inTools(o.sandbox, {
      argv: tarCommand(join("/out", basename(part)), o.sandbox.epoch, command),
      binds: [{ from: o.image, to: "/image", ro: true }, { from: dirname(o.file), to: "/out" }],
      what: "could not pack the tarball",
    });
    o.stayed();
  } catch (e) {
    rmSync(part, { force: true });
    throw e;
  }
  renameSync(part, o.file);
  return statSync(o.file).size;
}

function tarCommand(to: string, epoch: number, compress: string | undefined): string[] {
  return [
    // Records of 128 KiB instead of 10: fewer switches between tar and the compressor, which wants whole blocks of that size.
    "tar", "--create", `--file=${to}`, "--directory=/image", "--blocking-factor=256",
    "--format=posix", "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
    "--sort=name", "--numeric-owner", `--mtime=@${epoch}`, "--clamp-mtime",
    "--xattrs", "--xattrs-include=security.capability", "--xattrs-include=user.*", "--acls",
    ...(compress ? [`--use-compress-program=${compress}`] : []),
    ".",
  ];
}
