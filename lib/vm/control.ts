// QEMU's control socket (QMP): one JSON object a line, an answer for each command, events in between.
import type { Socket } from "node:net";
import { UserError } from "../errors.ts";

export interface Control {
  command(execute: string, args?: object): Promise<unknown>;
  close(): void;
}

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly QMP?: object;
  readonly event?: string;
}

interface Waiting {
  readonly answer: (r: Reply) => void;
  readonly lost: (e: Error) => void;
}

/** `socket` is connected to it. */
export async function openControl(socket: Socket): Promise<Control> {
  let waiting: Waiting[] = [];
  let gone: Error | undefined;
  let greeted = () => {};
  let failed = (_: Error) => {};
  const greeting = new Promise<void>((resolve, reject) => ([greeted, failed] = [resolve, reject]));
  let rest = "";
  socket.on("data", (piece: Buffer) => {
    rest += piece.toString();
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines.filter((l) => l.trim() !== "")) {
      const reply = JSON.parse(line) as Reply;
      if (reply.QMP) greeted();
      else if (reply.event === undefined) waiting.shift()?.answer(reply);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    gone = new UserError("vm.gone", "the machine has ended");
    failed(gone);
    for (const { lost } of waiting) lost(gone);
    waiting = [];
  });
  const command = async (execute: string, args: object = {}) => {
    if (gone) throw gone;
    const reply = await new Promise<Reply>((answer, lost) => {
      waiting.push({ answer, lost });
      socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
    if (reply.error) throw new UserError("vm.control", `QEMU refuses ${execute}: ${reply.error.desc}`);
    return reply.return;
  };
  await greeting;
  await command("qmp_capabilities");
  return { command, close: () => socket.destroy() };
}
