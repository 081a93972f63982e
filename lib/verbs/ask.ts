// A question to whoever sits at the terminal.
import { createInterface } from "node:readline/promises";
import { UserError } from "../errors.ts";

/** Goes on only when the answer is `word`. */
export async function confirm(question: string, word: string): Promise<void> {
  if (!process.stdin.isTTY) throw new UserError("ask.nobody", `${question}, and there is nobody to ask whether that is meant`, { hint: "add --yes" });
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question}\nType \`${word}\` to go on: `);
    if (answer.trim() !== word) throw new UserError("ask.no", "nothing was done");
  } finally {
    terminal.close();
  }
}
