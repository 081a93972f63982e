// What runs commands in a machine that is being tested: a unit that is handed in from outside (systemd's credentials, by SMBIOS), so
// that the image need not have anything for it, and that speaks over a virtio port, so that it needs no network.
import type { Socket } from "node:net";
import { UserError } from "../errors.ts";

/** Name of the port: /dev/virtio-ports/NAME. */
export const portName = "debcast";

/** A line in: `ID COMMAND`; a line out: `ID STATUS OUT ERR`; the last three and COMMAND in base64, so that a line is a line. */
const loop = `port=/dev/virtio-ports/${portName}
while ! [ -e $port ]; do sleep 1; done
exec 3<> $port
echo up >&3
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
  /** Settles when the machine answers. */
  readonly up: Promise<void>;
  /** Runs a script of sh as root. */
  ask(script: string): Promise<Answer>;
  close(): void;
}

/** Speaks to the agent of the machine whose port `socket` is connected to. */
export function openAgent(socket: Socket): Agent {
  const waiting = new Map<string, { answer: (a: Answer) => void; lost: (e: Error) => void }>();
  let rest = "";
  let next = 0;
  let isUp = () => {};
  let failed = (_: Error) => {};
  const up = new Promise<void>((resolve, reject) => ([isUp, failed] = [resolve, reject]));
  up.catch(() => {});
  const heard = (line: string) => {
    if (line === "up") return isUp();
    const [id, status, out, err] = line.split(" ");
    const decoded = (text: string | undefined) => Buffer.from((text ?? "=").slice(1), "base64").toString();
    waiting.get(id!)?.answer({ status: Number(status), stdout: decoded(out), stderr: decoded(err) });
    waiting.delete(id!);
  };
  socket.on("data", (piece: Buffer) => {
    rest += piece.toString("latin1");
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) heard(line);
  });
  socket.on("error", failed);
  socket.on("close", () => {
    for (const { lost } of waiting.values()) lost(new UserError("vm.gone", "the machine ended while it was at a command"));
  });
  return {
    up,
    ask: async (script) => {
      await up;
      const id = String(next++);
      return new Promise((resolve, reject) => {
        waiting.set(id, { answer: resolve, lost: reject });
        socket.write(`${id} ${Buffer.from(script).toString("base64")}\n`);
      });
    },
    close: () => socket.destroy(),
  };
}
