// A shell that waits beside this process and does small things for it. To start a program from a process of our size takes 20 ms,
// from a shell 1 ms; a build mounts a hundred times.
import { spawn } from "node:child_process";
import { UserError } from "../errors.ts";
import { shellQuote } from "../run.ts";

export interface Shell {
  /** Runs `argv` in `cwd` and waits. Any status but 0 throws. One at a time. */
  run(argv: readonly string[], o: { cwd: string; what: string }): Promise<void>;
  /** Ends it; it also ends with this process. */
  close(): void;
}

const loop = `while IFS= read -r line; do out=$(eval "$line" 2>&1 </dev/null); s=$?; printf '%s\\0%s\\0' "$out" "$s"; done`;

export function openShell(): Shell {
  const child = spawn("sh", ["-c", loop], { stdio: ["pipe", "pipe", "ignore"], env: { PATH: process.env.PATH ?? "", LC_ALL: "C" } });
  // Nobody waits for it at the end.
  child.unref();
  for (const stream of [child.stdin, child.stdout]) (stream as unknown as { unref(): void }).unref();
  let pending = "";
  let waiting: ((answer: string[] | Error) => void) | undefined;
  child.stdout.on("data", (piece: Buffer) => {
    pending += piece.toString();
    const parts = pending.split("\0");
    if (parts.length < 3) return;
    pending = "";
    waiting?.(parts);
  });
  child.on("error", (e) => waiting?.(e));
  child.on("close", () => waiting?.(new Error("the shell has ended")));
  let last: Promise<unknown> = Promise.resolve();
  const ask = (line: string) =>
    new Promise<string[]>((resolve, reject) => {
      (child.stdout as unknown as { ref(): void }).ref();
      waiting = (answer) => {
        waiting = undefined;
        (child.stdout as unknown as { unref(): void }).unref();
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      };
      child.stdin.write(`${line}\n`);
    });
  return {
    run: async (argv, o) => {
      const line = `cd ${shellQuote([o.cwd])} && ${shellQuote(argv)}`;
      const answer = last.then(() => ask(line));
      last = answer.catch(() => {});
      const [output, status] = await answer;
      if (Number(status) === 0) return;
      throw new UserError("run.failed", `${o.what}: \`${shellQuote(argv)}\` ended with status ${status!.trim()}`, { details: output!.trim() });
    },
    close: () => child.stdin.end(),
  };
}
