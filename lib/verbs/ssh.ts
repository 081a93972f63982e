import { devicesOf } from "../push/devices.ts";
import { onTerminal } from "../run.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "ssh",
  usage: "ssh [DEVICE] [-- COMMAND]",
  summary: "log in on a device, or on the machine that `debcast vm` has running",
  args: [0, 1],
  run: async (c: Context): Promise<Outcome> => {
    const [device] = await devicesOf(c.project, [c.args[0] ?? "vm"], c.conf);
    const { host, port, ssh } = device!;
    const code = await onTerminal(["ssh", ...ssh.flatMap((o) => ["-o", o]), ...(port === undefined ? [] : ["-p", String(port)]), "--", host, ...c.rest]);
    return { data: { status: code }, code };
  },
};
