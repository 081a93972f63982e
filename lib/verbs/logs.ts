import { UserError, exitStatus, nearest } from "../errors.ts";
import { connect, type Connection } from "../push/connection.ts";
import { devicesOf } from "../push/devices.ts";
import { onTerminal, shellQuote } from "../run.ts";
import { ensureHostPrograms } from "../setup.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "logs",
  usage: "logs DEVICE [UNIT] [-f]",
  summary: "the journal of a device since it started, or what one of its units said",
  args: [1, 2],
  options: {
    follow: { type: "boolean", short: "f", help: "go on with what is said from now on" },
    lines: { type: "string", short: "n", value: "N", help: "so many of the last lines (default: 200; `all`)" },
  },
  run: async (c: Context): Promise<Outcome> => {
    const lines = (c.options.lines as string | undefined) ?? "200";
    if (!/^(\d+|all)$/.test(lines)) throw new UserError("usage", `\`--lines ${lines}\` is no number of lines`, { exit: exitStatus.usage, hint: "--lines 50" });
    const follow = c.options.follow === true;
    if (follow && c.json) throw new UserError("usage", "`--follow` has no end, and so no JSON", { exit: exitStatus.usage });
    const [word, given] = c.args;
    await ensureHostPrograms(c.emit, { for: "ssh" });
    const [device] = await devicesOf(c.project, [word!], c.conf);
    const connection = await connect(device!);
    try {
      const unit = given === undefined ? undefined : await unitOf(connection, given);
      const argv = ["journalctl", "--boot", `--lines=${lines}`, "--no-pager", "--quiet", ...(unit === undefined ? [] : [`--unit=${unit}`]), ...(follow ? ["--follow"] : [])];
      if (c.json) return { data: await entries(connection, [...argv, "--output=json"]) };
      const code = await onTerminal(connection.terminal(`exec ${shellQuote(argv)}`));
      return { data: undefined, ...(code !== 0 && { code: exitStatus.device }) };
    } finally {
      await connection.close();
    }
  },
};

/** The unit that is meant; a journal says nothing of one that is not there, and does not say that. */
async function unitOf({ run, device }: Connection, given: string): Promise<string> {
  if (/[*?[]/.test(given)) return given;
  const unit = /\.\w+$/.test(given) ? given : `${given}.service`;
  const { stdout } = await run(`systemctl show --property=LoadState --value ${shellQuote([unit])}; journalctl --boot --unit=${shellQuote([unit])} --lines=1 --quiet --no-pager`);
  if (!/^not-found\s*$/.test(stdout)) return unit;
  const all = await run("systemctl list-units --all --plain --no-legend --no-pager --full");
  const near = nearest(unit, all.stdout.split("\n").map((l) => l.split(" ")[0]!));
  throw new UserError("device.no-unit", `\`${device.name}\` has no unit \`${unit}\``, { hint: near ? `did you mean \`${near}\`?` : `debcast ssh ${device.name} -- systemctl list-units` });
}

async function entries({ run }: Connection, argv: readonly string[]): Promise<unknown[]> {
  const { stdout } = await run(shellQuote(argv));
  return stdout.split("\n").filter((l) => l !== "").map((l) => JSON.parse(l) as unknown);
}
