// What runs commands in a machine that is being tested: a unit that is handed in from outside (systemd's credentials, by SMBIOS), so
// that the image need not have anything for it, and that speaks over a virtio port, so that it needs no network.
import type { Socket } from "node:net";
import { UserError } from "../errors.ts";

/** Name of the port: /dev/virtio-ports/NAME. */
export const portName = "debcast";

/**
 * A line in: `ID COMMAND`; a line out: `ID STATUS OUT ERR`; the last two and COMMAND in base64, so that a line is a line. `up` begins a line
 * of its own, whatever was left of one when the machine started anew.
 */
const loop = `port=/dev/virtio-ports/${portName}
while ! [ -e $port ]; do sleep 1; done
exec 3<> $port
printf '\\nup\\n' >&3
while read -r id command <&3; do
  printf %s "$command" | base64 -d > /run/agent.command
  sh -eu /run/agent.command > /run/agent.out 2> /run/agent.err < /dev/null 3<&-
  echo "$id $? =$(base64 -w0 < /run/agent.out) =$(base64 -w0 < /run/agent.err)" >&3
done`;

const unit = `[Unit]
Description=Commands from the host
DefaultDependencies=no
After=systemd-udev-trigger.service
[Service]
ExecStart=/bin/sh -c 'printf %%s ${Buffer.from(loop).toString("base64")} | base64 -d | sh'
Restart=on-failure
`;

/** Credentials of systemd.system-credentials(7). */
export function agentCredentials(): { name: string; text: string }[] {
  return [
    { name: "systemd.extra-unit.debcast-agent.service", text: unit },
    { name: "systemd.unit-dropin.sysinit.target", text: "[Unit]\nWants=debcast-agent.service\n" },
  ];
}

export interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Agent {
  /** Settles when the machine answers, or has ended before. */
  readonly up: Promise<void>;
  /** Runs a script of sh as root. Fails when the machine ends or starts anew meanwhile, and when there is no answer within `seconds`. */
  ask(script: string, seconds?: number): Promise<Answer>;
  close(): void;
}

interface Waiting {
  readonly answer: (a: Answer) => void;
  readonly lost: (e: Error) => void;
}

/** Speaks to the agent of the machine whose port `socket` is connected to. */
export function openAgent(socket: Socket): Agent {
  const waiting = new Map<string, Waiting>();
  let rest = "";
  let next = 0;
  let wasUp = false;
  let gone: Error | undefined;
  let isUp = () => {};
  let failed = (_: Error) => {};
  const up = new Promise<void>((resolve, reject) => ([isUp, failed] = [resolve, reject]));
  up.catch(() => {});
  const lose = (e: Error) => {
    for (const { lost } of waiting.values()) lost(e);
    waiting.clear();
  };
  const heard = (line: string) => {
    if (line === "up") {
      if (wasUp) lose(new UserError("vm.restarted", "the machine started anew while it was at a command"));
      wasUp = true;
      return isUp();
    }
    const answer = answerIn(line);
    if (!answer) return;
    waiting.get(answer.id)?.answer(answer);
    waiting.delete(answer.id);
  };
  socket.on("data", (piece: Buffer) => {
    rest += piece.toString("latin1");
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) heard(line);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    gone = new UserError("vm.gone", "the machine has ended");
    failed(gone);
    lose(gone);
  });
  return {
    up,
    ask: async (script, seconds) => {
      await up;
      if (gone) throw gone;
      const id = String(next++);
      const answer = new Promise<Answer>((resolve, reject) => waiting.set(id, { answer: resolve, lost: reject }));
      socket.write(`${id} ${Buffer.from(script).toString("base64")}\n`);
      const timer = seconds === undefined ? undefined : setTimeout(() => waiting.get(id)?.lost(new UserError("vm.silent", `the machine has not answered for ${seconds} s`)), seconds * 1000);
      return answer.finally(() => {
        clearTimeout(timer);
        waiting.delete(id);
      });
    },
    close: () => socket.destroy(),
  };
}

/** None of a line that was cut short. */
function answerIn(line: string): (Answer & { readonly id: string }) | undefined {
  const [, id, status, out, err] = /^(\d+) (\d+) =(\S*) =(\S*)$/.exec(line) ?? [];
  if (id === undefined) return undefined;
  const decoded = (text: string) => Buffer.from(text, "base64").toString();
  return { id, status: Number(status), stdout: decoded(out!), stderr: decoded(err!) };
}
