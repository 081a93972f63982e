// inImage`…` and onHost`…`: `sh -euc` with every value quoted as a word.
import { UserError, type Where } from "../errors.ts";
import { anyStatus, lastLines, run, type RunResult } from "../run.ts";
import { kindOf, secretName } from "../plan/values.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";

export interface ShellOptions {
  readonly env?: Readonly<Record<string, unknown>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly stdin?: unknown;
  readonly network?: boolean;
}

/** The script that a tagged template stands for. */
export function scriptOf(strings: readonly string[], words: readonly unknown[]): string {
  return strings.map((s, i) => (i < words.length ? s + quoteWords(words[i], i) : s)).join("");
}

function quoteWords(value: unknown, i: number): string {
  return Array.isArray(value) ? value.map((v) => quoteWord(v, i)).join(" ") : quoteWord(value, i);
}

function quoteWord(value: unknown, i: number): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `'${value.replaceAll("'", `'\\''`)}'`;
  throw new UserError("shell.word", `value ${i + 1} of the command is ${kindOf(value)}; a word is a text or a number`, {
    hint: secretName(value) === undefined ? undefined : "a secret goes in by .with({ env: { KEY: secret } }) or .with({ stdin: secret }), where no process list shows it",
  });
}

export interface Command {
  readonly script: string;
  readonly where: Where;
  readonly options: ShellOptions;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly onOutput: (text: string) => void;
  readonly mask: (text: string) => string;
}

export async function runInImage(sandbox: Sandbox, root: string, c: Command): Promise<{ stdout: string; stderr: string }> {
  return finish(c, await inSandbox(sandbox, root, {
    argv: ["/bin/sh", "-euc", c.script],
    env: { DEBIAN_FRONTEND: "noninteractive", ...c.env },
    ...(c.options.cwd !== undefined && { cwd: c.options.cwd }),
    ...(c.options.user !== undefined && { user: c.options.user }),
    ...(c.stdin !== undefined && { stdin: c.stdin }),
    network: c.options.network === true,
    onOutput: c.onOutput,
    ok: anyStatus,
    what: "in the image",
  }));
}

export async function runOnHost(cwd: string, c: Command): Promise<{ stdout: string; stderr: string }> {
  return finish(c, await run(["sh", "-euc", c.script], {
    cwd: c.options.cwd ?? cwd,
    env: { ...(process.env as Record<string, string>), ...c.env },
    ...(c.stdin !== undefined && { input: c.stdin }),
    onOutput: c.onOutput,
    ok: anyStatus,
  }));
}

function finish(c: Command, r: RunResult): { stdout: string; stderr: string } {
  if (r.code === 0) return { stdout: r.stdout, stderr: r.stderr };
  throw new UserError("shell.failed", `\`${c.mask(c.script.trim())}\` ended with status ${r.code}`, {
    where: c.where,
    details: c.mask(lastLines(r.all)),
    hint: "`debcast shell --failed` opens a shell in the image as it was then",
  });
}
