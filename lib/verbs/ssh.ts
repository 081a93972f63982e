import { UserError } from "../errors.ts";
import { imageName } from "../project.ts";
import { onTerminal } from "../run.ts";
import { runningMachine } from "../vm/running.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "ssh",
  usage: "ssh [-- COMMAND]",
  summary: "log in on the machine that `debcast vm` has running",
  run: async (c: Context): Promise<Outcome> => {
    const { port, user } = runningMachine(c.project, imageName(c.conf));
    if (user === undefined) throw new UserError("ssh.user", `\`${imageName(c.conf)}\` has no user who could log in`, { hint: 'users: [{ name: "me", sshKeys: ["ssh-ed25519 …"] }],' });
    // Each machine makes its own host key, and this one is gone tomorrow.
    const loopback = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"];
    const code = await onTerminal(["ssh", "-p", String(port), ...loopback, `${user}@127.0.0.1`, ...c.rest]);
    return { data: { status: code }, code };
  },
};
