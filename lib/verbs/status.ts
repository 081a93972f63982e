import { UserError, exitStatus } from "../errors.ts";
import { formatBytes } from "../format.ts";
import { attach, dial, hangUp } from "../push/connection.ts";
import { addressText, devicesOf, knownDevices, type Device } from "../push/devices.ts";
import { eachDevice } from "../push/many.ts";
import { statusOf, type Status } from "../push/status.ts";
import { ensureHostPrograms } from "../setup.ts";
import { jobsOf, jobsOption, outcomeOf } from "./devices.ts";
import type { Context, Outcome, Verb } from "./verb.ts";

export const verb: Verb = {
  name: "status",
  usage: "status [DEVICE…]",
  summary: "what devices run and how they are; status 3 when one does not answer or is half pushed",
  args: [0, 10_000],
  options: { jobs: jobsOption },
  run: async (c: Context): Promise<Outcome> => {
    const jobs = jobsOf(c.options.jobs as string | undefined);
    await ensureHostPrograms(c.emit, { for: "ssh" });
    const devices = await asked(c);
    const results = await eachDevice(devices.map((device) => ({ device })), jobs, async ({ device }) => {
      const line = dial(device);
      try {
        return await statusOf(await attach(line));
      } finally {
        await hangUp(line);
      }
    });
    return outcomeOf(c, results, { text: (status, { device }) => statusText(device, status), data: (status) => status, bad: (status) => status.half !== undefined });
  },
};

/** Those that are named, or all of conf/devices.ts. */
async function asked(c: Context): Promise<Device[]> {
  if (c.args.length > 0) return devicesOf(c.project, c.args, c.conf);
  const all = [...(await knownDevices(c.project)).values()];
  if (all.length > 0) return all;
  throw new UserError("usage", "no device is named, and conf/devices.ts has none", { exit: exitStatus.usage, hint: "debcast status root@192.0.2.7\ndebcast status vm   # the machine that `debcast vm` has running" });
}

function statusText(d: Device, s: Status): string {
  const rows = [
    ["runs", s.mark.image === undefined ? "an image that no push has brought" : imageText(s.mark)],
    ...(s.staged?.image === undefined ? [] : [["waits", `${imageText(s.staged)}: it is put on its disk at the next start`]]),
    ...(s.refused === undefined ? [] : [["refused", s.refused]]),
    ...(s.half === undefined ? [] : [["half", `half pushed: a push${s.half.length > 0 ? ` of ${s.half.at(-1)!.slice(0, 12)}` : ""} did not end; \`debcast push ${d.name}\` completes it`]]),
    ["is", `${s.state || "up"} for ${duration(s.uptime)}, ${s.hostname}, Linux ${s.kernel}`],
    ...(s.failed.length > 0 ? [["failed", s.failed.join(", ")]] : []),
    ["free", s.space.map((f) => `${f.mount} ${formatBytes(f.free)} of ${formatBytes(f.size)}`).join(", ")],
  ];
  const address = addressText(d);
  return [`${d.name}${d.name === address ? "" : ` (${address})`}`, ...rows.map(([key, text]) => `  ${key!.padEnd(8)}${text}`)].join("\n");
}

function imageText(mark: Readonly<Record<string, string>>): string {
  return `${mark.conf}, image ${mark.image!.slice(0, 12)}${mark.by ? `, pushed ${mark.when} by ${mark.by}` : ""}`;
}

/** `3 min`, `2 h 5 min`, `4 days 3 h`. */
function duration(seconds: number): string {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  if (minutes < 2) return `${Math.floor(seconds)} s`;
  if (hours < 1) return `${minutes} min`;
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days ${hours % 24} h`;
}
