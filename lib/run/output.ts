// The second leaf of the door to other programs: one whose output is too large to be kept, and is read while it runs.
import { UserError } from "../errors.ts";
import { lastLines, shellQuote } from "../run.ts";

export interface OutputOptions {
  /** File descriptor that the program reads from. */
  readonly stdin: number;
  /** What the command is for, in the error. */
  readonly what: string;
  /** Debian package that brings the program. */
  readonly package: string;
}

/** What `argv` writes, piece by piece. Whoever stops reading ends the program; a status other than 0 throws. */
export async function* outputOf(argv: readonly string[], o: OutputOptions): AsyncGenerator<Buffer> {
  const { execa } = await import("execa");
  const [file, ...args] = argv;
  const child = execa(file!, args, { stdin: o.stdin as unknown as "pipe", stdout: "pipe", stderr: "pipe", buffer: { stdout: false, stderr: true }, reject: false });
  let whole = false;
  try {
    for await (const piece of child.stdout as AsyncIterable<Buffer>) yield piece;
    whole = true;
  } finally {
    if (!whole) child.kill();
  }
  const r = await child;
  if (r.exitCode !== 0) throw failure(argv, o, r);
}

function failure(argv: readonly string[], o: OutputOptions, r: { exitCode?: number | undefined; signal?: string | undefined; code?: string | undefined; stderr: unknown }): UserError {
  if (r.code === "ENOENT") {
    return new UserError("run.failed", `${o.what}: this machine has no \`${argv[0]}\``, { hint: `sudo apt-get install ${o.package}` });
  }
  const ended = r.exitCode !== undefined ? `ended with status ${r.exitCode}` : `was ended by ${r.signal ?? r.code ?? "something unknown"}`;
  return new UserError("run.failed", `${o.what}: \`${shellQuote(argv)}\` ${ended}`, { details: lastLines(String(r.stderr ?? "")) });
}
